/**
 * The X.509 side of the Workload API, as an identity source: one stream, each of whose messages is everything that the workload has
 * now. What a message does not have any more is taken away at once; what it has and cannot be used stays as it was, with the reason.
 *
 *   connecting ── message ──► connected            (with what is wrong, if anything is)
 *       ▲  └────── error ───► disconnected ─ 1 s, 2 s … 30 s ─┐   what is in force stays until it expires
 *       └────────────────────────────────────────────────────┘
 *       INVALID_ARGUMENT ───► failed: the same request would be refused for ever
 *
 * Source: SPIFFE Workload API standard, sections 4.4 and 5.2; the waits are go-spiffe's.
 */
import type { Clock, Random } from '../../base/runtime.ts';
import type { IdentitySink } from '../../model/contracts.ts';
import { runWatch } from '../watch.ts';
import { WorkloadApiError, type WorkloadApi } from './client.ts';
import { bundleFrom, materialFrom, type Material, type SvidChoice } from './material.ts';
import { readX509Bundles, readX509Svids } from './messages.ts';

/** What is watched, and under which names it is delivered. */
export interface MaterialWatch {
  readonly api: WorkloadApi;
  /** Name of the chosen SVID and its trust bundle in the identity store. */
  readonly name: string;
  readonly choice: SvidChoice;
  /** The process has no identity of its own, and only verifies others. */
  readonly bundlesOnly: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

const firstWaitMs = 1000;
const longestWaitMs = 30_000;

/** Source: go-spiffe's `backoff.Strategy`, linear from 1 s to 30 s. */
export function workloadApiBackoff(failures: number): number {
  return Math.min(longestWaitMs, firstWaitMs * failures);
}

/** Runs until the signal aborts; rejects with a {@link WorkloadApiError} when asking again is no use. */
export async function watchMaterial(watch: MaterialWatch, sink: IdentitySink, signal: AbortSignal): Promise<void> {
  const { api, name, choice, bundlesOnly, clock, random } = watch;
  let delivered: ReadonlySet<string> = new Set();
  let final: WorkloadApiError | undefined;

  /** What is wrong with the message, if anything is. */
  const take = (bytes: Uint8Array): string | undefined => {
    const material = bundlesOnly ? readBundleMaterial(bytes, name) : readSvidMaterial(bytes, name, choice);
    if (typeof material === 'string') return `${material}; what was in force stays`;
    const problems = [...material.problems];
    const current = new Set<string>();
    // Bundles first: a certificate of a new root is no use to a peer whose bundle has not got it, nor to us.
    for (const bundle of material.trustBundles) {
      current.add(bundle.name);
      const verdict = sink.setTrustBundle(bundle);
      if (!verdict.ok) problems.push(`the trust bundle ${JSON.stringify(bundle.name)} ${verdict.reason}`);
    }
    for (const svid of material.svids) {
      current.add(svid.name);
      const verdict = sink.setSvid(svid);
      if (!verdict.ok) problems.push(`the certificate ${JSON.stringify(svid.name)} ${verdict.reason}`);
    }
    for (const gone of delivered) if (!current.has(gone)) sink.remove(gone);
    delivered = current;
    return problems.length === 0 ? undefined : [...new Set(problems)].join('; ');
  };

  await runWatch({
    clock,
    random,
    signal,
    backoffMs: workloadApiBackoff,
    onStatus: (status) => sink.status(status),
    async connect(session) {
      try {
        const method = bundlesOnly ? 'FetchX509Bundles' : 'FetchX509SVID';
        await api.watch(method, (bytes) => session.good(take(bytes)), signal);
      } catch (error) {
        if (!(error instanceof WorkloadApiError) || !error.isFinal) throw error;
        final = error;
        return 'done';
      }
      return 'again';
    },
  });
  if (final === undefined) return;
  sink.status({ state: 'failed', error: final.message });
  throw final;
}

function readSvidMaterial(bytes: Uint8Array, name: string, choice: SvidChoice): Material | string {
  const message = readX509Svids(bytes);
  if (message === undefined) return 'the Workload API sent an answer that is no X509SVIDResponse';
  if (message.svids.length === 0) return 'the Workload API sent an answer without an SVID';
  return withRevocation(materialFrom(message, name, choice), message.crls);
}

function readBundleMaterial(bytes: Uint8Array, name: string): Material | string {
  const message = readX509Bundles(bytes);
  if (message === undefined) return 'the Workload API sent an answer that is no X509BundlesResponse';
  return withRevocation(bundleFrom(message.bundles, name), message.crls);
}

function withRevocation(material: Material, crls: number): Material {
  if (crls === 0) return material;
  const problem = `${crls} certificate revocation ${crls === 1 ? 'list is' : 'lists are'} not looked at: certificates are trusted until they expire`;
  return { ...material, problems: [...material.problems, problem] };
}
