/**
 * One look-up of one question, from the hosts file to the name servers. The order is that of getaddrinfo on a usual Linux machine
 * (`hosts: files dns`): hosts file, `localhost`, then the search list name by name.
 *
 * Walking the list: "no such name" goes on to the next; so does SERVFAIL, as in glibc, since a search domain with a broken server must
 * not hide all names outside it; anything else (no answer, refused) ends the walk. Once a name has answered, refreshes ask that very
 * name: it saves the walk, and a passing failure can never move a service to another one further down the list. Only when the name is
 * gone is the list walked again.
 */
import { isIPv4 } from 'node:net';
import type { Clock } from '../../base/runtime.ts';
import type { AddressPair, AskedPair, FamilyAnswer } from './address-pair.ts';
import { addressesOf, askBothFamilies, carryOver } from './address-pair.ts';
import { chooseFamily, type FamilyChoice } from './address-family.ts';
import { isLocalhost, type HostName } from './host-name.ts';
import type { HostsTable } from './hosts-file.ts';
import type { NameServerClient } from './name-server-client.ts';
import { candidateNames } from './resolv-conf.ts';

/** One address of an answer; the port only where an SRV record gave it. */
export interface FoundAddress {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port?: number;
  readonly weight?: number;
  readonly priority?: number;
}

/** What a refresh of the same question needs to know of the last answer. */
export interface LookupMemory {
  /** The name of the search list that answered. */
  readonly qualifiedName?: string;
  /** Last good records by absolute name. */
  readonly pairs: ReadonlyMap<string, AddressPair>;
  readonly family?: 4 | 6;
}

/** Addresses, and how long to believe them. */
export interface Found {
  readonly kind: 'found';
  readonly addresses: readonly FoundAddress[];
  readonly alternates: readonly FoundAddress[];
  /** `address (reason)` of each that the policy refused. */
  readonly refused: readonly string[];
  readonly ttlMs: number;
  readonly memory: LookupMemory;
  /** The same with the family that was too slow, once it came. */
  readonly late?: Promise<LookupOutcome>;
}

/** How a look-up ended. Only what an authority said may end what is known; a failure never does. */
export type LookupOutcome =
  | Found
  /** Authoritative: there is no such name or address. */
  | { readonly kind: 'none'; readonly code: string }
  /** Authoritative, and none of the addresses may be used. */
  | { readonly kind: 'refused'; readonly refused: readonly string[] }
  /** Unknown: the last good answer stands. */
  | { readonly kind: 'failed'; readonly code: string; readonly cause?: unknown };

/** One name asked, for the error message. */
export interface Attempted {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV';
  /** In the words of c-ares: ENOTFOUND, ESERVFAIL …; `'answered'` when there were records. */
  readonly result: string;
}

/** What look-ups work with; read anew for each, since resolv.conf and the hosts file may change. */
export interface LookupContext {
  readonly client: NameServerClient;
  readonly searchDomains: readonly string[];
  readonly ndots: number;
  readonly hosts: HostsTable;
  readonly clock: Clock;
  readonly resolutionDelayMs: number;
  readonly staleMs: number;
  readonly refusalReason: (address: string) => string | undefined;
  readonly localAddresses: () => readonly string[];
}

/** The hosts file and `localhost` are looked at this often; it costs one `stat`. */
const localTtlMs = 5000;

const nothingKnown: LookupMemory = { pairs: new Map() };

/** Addresses of a host name. `tried` grows as names are asked, so that a time-out can tell how far it came. */
export async function lookupHost(
  name: HostName,
  context: LookupContext,
  tried: Attempted[],
  previous: LookupMemory = nothingKnown,
): Promise<LookupOutcome> {
  const local = context.hosts.get(name.text) ?? (isLocalhost(name) ? ['127.0.0.1', '::1'] : undefined);
  if (local !== undefined) return localFound(local, context);
  return walkSearchList(name, context, previous, async (candidate) => {
    const asked = await askBothFamilies(context.client, candidate, context.clock, context.resolutionDelayMs);
    recordTries(tried, candidate, asked.pair);
    return pairOutcome(candidate, asked, context, previous);
  });
}

/** Tries the names of the search list by the rules above. */
export async function walkSearchList(
  name: HostName,
  context: Pick<LookupContext, 'searchDomains' | 'ndots'>,
  previous: LookupMemory,
  ask: (candidate: string) => Promise<LookupOutcome>,
): Promise<LookupOutcome> {
  const candidates = candidateNames(name, context);
  const known = candidates.find((candidate) => candidate === previous.qualifiedName);
  if (known !== undefined) {
    const outcome = await ask(known);
    if (outcome.kind !== 'none') return outcome;
  }
  let verdict: LookupOutcome = { kind: 'none', code: 'ENOTFOUND' };
  for (const candidate of candidates) {
    if (candidate === known) continue;
    const outcome = await ask(candidate);
    if (outcome.kind === 'failed' && outcome.code === 'ESERVFAIL') verdict = outcome;
    else if (outcome.kind !== 'none') return outcome;
    else if (verdict.kind === 'none' && outcome.code === 'ENODATA') verdict = outcome;
  }
  return verdict;
}

/** The outcome for one name from what its two families answered. */
export function pairOutcome(
  name: string,
  asked: AskedPair,
  context: LookupContext,
  previous: LookupMemory,
): LookupOutcome | Promise<LookupOutcome> {
  const now = context.clock.now();
  const ttls = [asked.pair.ipv4, asked.pair.ipv6].flatMap((answer) =>
    answer.kind === 'records' ? [answer.receivedMs + answer.ttlMs - now] : [],
  );
  if (ttls.length === 0) return withoutAddresses(asked.pair);
  const pair = carryOver(asked.pair, previous.pairs.get(name), now, context.staleMs);
  const refused: string[] = [];
  const allowed = (answer: FamilyAnswer): readonly string[] =>
    [...new Set(addressesOf(answer))].filter((address) => {
      const reason = context.refusalReason(address);
      if (reason !== undefined) refused.push(`${address} (${reason})`);
      return reason === undefined;
    });
  const ipv4 = allowed(pair.ipv4);
  const ipv6 = allowed(pair.ipv6);
  const withLate = (memory: LookupMemory) => asked.late?.then((whole) => pairOutcome(name, { pair: whole }, context, memory));
  if (ipv4.length === 0 && ipv6.length === 0) return withLate(previous) ?? { kind: 'refused', refused };
  const choice = chooseFamily(ipv4, ipv6, context.localAddresses(), previous.family);
  const memory: LookupMemory = { qualifiedName: name, pairs: new Map([[name, pair]]), family: choice.family };
  const late = withLate(memory);
  return { ...foundFrom(choice), refused, ttlMs: Math.min(...ttls), memory, ...(late === undefined ? {} : { late }) };
}

/** Notes what was asked and how it ended. */
export function recordTries(tried: Attempted[], name: string, { ipv4, ipv6 }: AddressPair): void {
  for (const [type, answer] of [
    ['A', ipv4],
    ['AAAA', ipv6],
  ] as const) {
    if (answer.kind !== 'pending') tried.push({ name, type, result: answer.kind === 'records' ? 'answered' : answer.code });
  }
}

function withoutAddresses({ ipv4, ipv6 }: AddressPair): LookupOutcome {
  const answers = [ipv4, ipv6];
  // "No such name" from either holds for the whole name (RFC 8020).
  if (answers.some((answer) => answer.kind === 'none' && answer.code === 'ENOTFOUND')) return { kind: 'none', code: 'ENOTFOUND' };
  const failure = answers.find((answer) => answer.kind === 'failed');
  return failure ?? { kind: 'none', code: 'ENODATA' };
}

/** Entries of the hosts file and `localhost`: the family of the first line goes first, and the policy does not apply. */
function localFound(addresses: readonly string[], context: LookupContext): Found {
  const ipv4 = addresses.filter((address) => isIPv4(address));
  const ipv6 = addresses.filter((address) => !isIPv4(address));
  const choice = chooseFamily(ipv4, ipv6, context.localAddresses(), addresses[0] === ipv4[0] ? 4 : undefined);
  return { ...foundFrom(choice), refused: [], ttlMs: localTtlMs, memory: nothingKnown };
}

function foundFrom(choice: FamilyChoice): Pick<Found, 'kind' | 'addresses' | 'alternates'> {
  const withFamily = (address: string): FoundAddress => ({ address, family: isIPv4(address) ? 4 : 6 });
  return { kind: 'found', addresses: choice.addresses.map(withFamily), alternates: choice.alternates.map(withFamily) };
}
