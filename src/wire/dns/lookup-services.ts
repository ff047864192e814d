/**
 * SRV (RFC 2782): the records of a name, and the addresses of each target. Targets are absolute names from the network, so neither the
 * search list nor the hosts file applies to them, and the address policy does, to `localhost` too.
 */
import { addressesOf, askBothFamilies, type AddressPair } from './address-pair.ts';
import type { HostName } from './host-name.ts';
import { hostNameFrom, isLocalhost } from './host-name.ts';
import type { ServiceRecord } from './name-server-client.ts';
import {
  pairOutcome,
  recordTries,
  walkSearchList,
  type Attempted,
  type FoundAddress,
  type LookupContext,
  type LookupMemory,
  type LookupOutcome,
} from './lookup.ts';

/** How often things are asked again that have no TTL of their own. */
export interface ServiceRefresh {
  /** SRV records: Node does not give their TTL. */
  readonly srvRefreshMs: number;
  /** When a target could not be resolved. */
  readonly retryMs: number;
}

const nothingKnown: LookupMemory = { pairs: new Map() };

/** Addresses and ports of a service. A target that fails keeps its last good addresses; one that is gone takes only itself away. */
export async function lookupServices(
  name: HostName,
  context: LookupContext,
  refresh: ServiceRefresh,
  tried: Attempted[],
  previous: LookupMemory = nothingKnown,
): Promise<LookupOutcome> {
  return walkSearchList(name, context, previous, async (candidate) => {
    const answer = await context.client.services(candidate);
    tried.push({ name: candidate, type: 'SRV', result: answer.kind === 'records' ? 'answered' : answer.code });
    if (answer.kind !== 'records') return answer;
    return resolveTargets(candidate, answer.records, context, refresh, tried, previous);
  });
}

async function resolveTargets(
  qualifiedName: string,
  records: readonly ServiceRecord[],
  context: LookupContext,
  refresh: ServiceRefresh,
  tried: Attempted[],
  previous: LookupMemory,
): Promise<LookupOutcome> {
  const targets = [...new Set(records.map(({ target }) => target.toLowerCase()))];
  const resolved = new Map<string, ResolvedTarget>();
  await Promise.all(
    targets.map(async (target) => void resolved.set(target, await resolveTarget(target, context, tried, previous))),
  );

  const addresses: FoundAddress[] = [];
  const alternates: FoundAddress[] = [];
  const refused: string[] = [];
  const pairs = new Map<string, AddressPair>();
  let failure: LookupOutcome | undefined;
  let { srvRefreshMs: ttlMs } = refresh;
  for (const [target, { outcome, stands }] of resolved) {
    if (outcome.kind === 'refused') refused.push(...outcome.refused);
    if (outcome.kind === 'failed') failure = outcome;
    if (outcome.kind === 'failed' || stands) ttlMs = Math.min(ttlMs, refresh.retryMs);
    if (outcome.kind !== 'found') continue;
    refused.push(...outcome.refused);
    if (!stands) ttlMs = Math.min(ttlMs, outcome.ttlMs);
    for (const [host, pair] of outcome.memory.pairs) pairs.set(host, pair);
    for (const { target: owner, ...srv } of records) {
      if (owner.toLowerCase() !== target) continue;
      addresses.push(...outcome.addresses.map((address) => ({ ...address, ...srv })));
      alternates.push(...outcome.alternates.map((address) => ({ ...address, ...srv })));
    }
  }
  if (addresses.length > 0) {
    return { kind: 'found', addresses, alternates, refused, ttlMs, memory: { qualifiedName, pairs } };
  }
  if (failure !== undefined) return failure;
  return refused.length > 0 ? { kind: 'refused', refused } : { kind: 'none', code: 'ENODATA' };
}

interface ResolvedTarget {
  readonly outcome: LookupOutcome;
  /** The look-up failed and the last good addresses stand in. */
  readonly stands: boolean;
}

async function resolveTarget(
  target: string,
  context: LookupContext,
  tried: Attempted[],
  previous: LookupMemory,
): Promise<ResolvedTarget> {
  const name = hostNameFrom(target);
  if (name === undefined) return { outcome: { kind: 'none', code: 'EBADNAME' }, stands: false };
  const asked = isLocalhost(name)
    ? { pair: loopbackPair(context) }
    : await askBothFamilies(context.client, target, context.clock, context.resolutionDelayMs);
  if (!isLocalhost(name)) recordTries(tried, target, asked.pair);
  // A family that comes late is not waited for: the next refresh, 30 s later at most, has it.
  const outcome = await pairOutcome(target, { pair: asked.pair }, context, previous);
  const before = previous.pairs.get(target);
  if (outcome.kind !== 'failed' || before === undefined || !isUsable(before, context)) return { outcome, stands: false };
  return { outcome: await pairOutcome(target, { pair: before }, context, previous), stands: true };
}

function loopbackPair({ clock }: LookupContext): AddressPair {
  const answer = (address: string) => ({ kind: 'records', records: [address], ttlMs: 30_000, receivedMs: clock.now() }) as const;
  return { ipv4: answer('127.0.0.1'), ipv6: answer('::1') };
}

/** Last good addresses of a target stand in for `staleMs` after they expired. */
function isUsable(pair: AddressPair, { clock, staleMs }: LookupContext): boolean {
  return [pair.ipv4, pair.ipv6].some(
    (answer) =>
      answer.kind === 'records' && addressesOf(answer).length > 0 && answer.receivedMs + answer.ttlMs + staleMs > clock.now(),
  );
}
