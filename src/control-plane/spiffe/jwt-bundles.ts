import type { Clock, Random } from '../../base/runtime.ts';
import type { ControlPlaneStatus } from '../../model/contracts.ts';
import { runWatch } from '../watch.ts';
import { WorkloadApiError, type WorkloadApi } from './client.ts';
import { trustDomainOf } from './material.ts';
import { readJwtBundles } from './messages.ts';
import { workloadApiBackoff } from './watch-material.ts';

/** JWK Sets by trust domain, as they are now: a domain that is not in it is not trusted any more. */
export type JwtBundles = ReadonlyMap<string, { readonly keys: readonly Readonly<Record<string, unknown>>[] }>;

/** Who hears of JWT bundles. */
export interface JwtBundleListener {
  onBundles(bundles: JwtBundles): void;
  /** Told when the state of the connection changed, and what is wrong. */
  onStatus?(status: ControlPlaneStatus): void;
}

/** Calls back with every set of bundles until the signal aborts; rejects with a {@link WorkloadApiError} when asking again is no use. */
export async function watchJwtBundles(
  api: WorkloadApi,
  listener: JwtBundleListener,
  options: { readonly clock: Clock; readonly random: Random; readonly signal: AbortSignal },
): Promise<void> {
  let final: WorkloadApiError | undefined;
  await runWatch({
    ...options,
    backoffMs: workloadApiBackoff,
    onStatus: (status) => listener.onStatus?.(status),
    async connect(session) {
      try {
        await api.watch('FetchJWTBundles', (bytes) => session.good(take(bytes, listener)), options.signal);
      } catch (error) {
        if (!(error instanceof WorkloadApiError) || !error.isFinal) throw error;
        final = error;
        return 'done';
      }
      return 'again';
    },
  });
  if (final !== undefined) throw final;
}

function take(bytes: Uint8Array, listener: JwtBundleListener): string | undefined {
  const message = readJwtBundles(bytes);
  if (message === undefined) return 'the Workload API sent an answer that is no JWTBundlesResponse; the bundles before it stay';
  const problems: string[] = [];
  const bundles = new Map<string, { readonly keys: readonly Readonly<Record<string, unknown>>[] }>();
  for (const [key, body] of message.bundles) {
    const trustDomain = trustDomainOf(key);
    const keys = keysOf(body);
    if (trustDomain === undefined) problems.push(`the key ${JSON.stringify(key)} of a bundle is no trust domain`);
    else if (keys === undefined) problems.push(`the JWT bundle of ${trustDomain} is no JWK Set`);
    else bundles.set(trustDomain, { keys });
  }
  listener.onBundles(bundles);
  return problems.length === 0 ? undefined : problems.join('; ');
}

function keysOf(body: Uint8Array): readonly Readonly<Record<string, unknown>>[] | undefined {
  try {
    const set: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys)) return undefined;
    return set.keys.filter((key): key is Readonly<Record<string, unknown>> => typeof key === 'object' && key !== null);
  } catch {
    return undefined;
  }
}
