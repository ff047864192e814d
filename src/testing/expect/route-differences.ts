/** What is expected of a request beside what is explained: each difference by name, so that a failed test reads like a diff. */
import type { DestinationView, Explanation } from '../../admin/explain.ts';
import { nameOf, sharesOf, usableEndpoints, wordsOf, type RouteShare } from './route-shares.ts';

/** One thing that is not as expected. */
export interface Difference {
  readonly what: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

/** A request as a test says it. */
export interface ExpectedRequest {
  readonly url: string | URL;
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is expected of the destination beside its cluster; what is left out may be anything. */
export interface ReachExpectation {
  /** null = the whole cluster, no subset of it. */
  readonly subset?: string | null;
  /** Share of the requests, 0…100. Default 100. */
  readonly percent?: number;
  /** The one that gets it: by session or hash, or since no other may be used. Its `address:port`, or a fake upstream. */
  readonly endpoint?: EndpointName;
  /** All that may get it now, in any order. */
  readonly endpoints?: readonly EndpointName[];
  /** As it is sent, with its query. */
  readonly path?: string | RegExp;
  /** As it is sent: `Host`, or `:authority`. */
  readonly host?: string | RegExp;
  /** As they are sent; null = it is not there. */
  readonly headers?: Readonly<Record<string, string | RegExp | null>>;
  readonly route?: string;
  readonly virtualHost?: string;
  /** Name of the control plane that says it. */
  readonly source?: string;
  /** 0 = none. */
  readonly timeoutMs?: number;
  /** Clusters that get a copy of it, in any order. */
  readonly mirrors?: readonly string[];
}

/** An endpoint, by its `address:port`. */
export type EndpointName = string | { readonly address: string };

/** How many of the requests are meant: the share that is expected (default all), or, where it is denied, any. */
export type Amount = 'share' | 'any';

/** Why so many of the requests do not reach the cluster as expected; empty = they do. */
export function differencesToReach(
  explanation: Explanation,
  request: ExpectedRequest,
  { cluster, amount, ...expected }: ReachExpectation & { readonly cluster: string; readonly amount: Amount },
): readonly Difference[] {
  const shares = sharesOf(explanation);
  const named = shares.flatMap(({ percent, outcome }) => {
    if (outcome.kind !== 'reached' || !isNamed(outcome.destination, cluster, expected.subset)) return [];
    return [{ percent, differences: differencesOf(outcome.destination, explanation, request, expected) }];
  });
  const differences: Difference[] = [];
  for (const key of ['route', 'virtualHost', 'source'] as const) differ(differences, key, expected[key], explanation[key]);
  const isAny = amount === 'any' && expected.percent === undefined;
  const reached = amount === 'any' ? named.filter((one) => one.differences.length === 0) : named;
  const name = nameOf({ cluster, subset: expected.subset ?? undefined });
  countShare(differences, 'destination', reached, isAny ? undefined : (expected.percent ?? 100), `to ${name}`, shares);
  return amount === 'any' ? differences : [...differences, ...named.flatMap((one) => one.differences)];
}

/** Why so many of them are not answered without an endpoint. */
export function differencesToAnswer(
  explanation: Explanation,
  { status, amount, percent, headers = {}, body }: AnswerExpectation & { readonly status: number; readonly amount: Amount },
): readonly Difference[] {
  const shares = sharesOf(explanation);
  const answered = shares.filter(({ outcome }) => outcome.kind === 'answered' && outcome.status === status);
  const differences: Difference[] = [];
  const wanted = percent ?? (amount === 'any' ? undefined : 100);
  countShare(differences, 'answer', answered, wanted, `answered with ${status}`, shares);
  const { answer } = explanation;
  if (body !== undefined) differ(differences, 'body', body, answer?.body);
  const pairs = Object.entries(answer?.headers ?? {}).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => [name, one] as const),
  );
  return [...differences, ...headerDifferences(headers, pairs)];
}

/** Why so many of them do not fail, with this code or, without one, in any way. */
export function differencesToFail(explanation: Explanation, code: string | undefined, amount: Amount): readonly Difference[] {
  const shares = sharesOf(explanation);
  const failing = shares.filter(({ outcome }) => outcome.kind === 'failed' && (code === undefined || outcome.code === code));
  const differences: Difference[] = [];
  const words = code === undefined ? 'fail' : `fail with ${code}`;
  countShare(differences, 'outcome', failing, amount === 'any' ? undefined : 100, words, shares);
  return differences;
}

/** Says so when not as many requests are among `found` as are wanted; undefined = any. */
function countShare(
  differences: Difference[],
  what: string,
  found: readonly { readonly percent: number }[],
  wanted: number | undefined,
  words: string,
  shares: readonly RouteShare[],
): void {
  const percent = found.reduce((sum, share) => sum + share.percent, 0);
  if (percent > 0 && (wanted === undefined || Math.abs(percent - wanted) < 0.01)) return;
  const actual = shares.map(wordsOf).join(', ') || 'not known yet';
  differences.push({ what, expected: `${wanted === undefined ? 'some' : `${wanted} %`} ${words}`, actual });
}

/** What is expected of an answer beside its status. */
export interface AnswerExpectation {
  /** Share of the requests, 0…100. Default 100. */
  readonly percent?: number;
  readonly headers?: Readonly<Record<string, string | RegExp | null>>;
  readonly body?: string | RegExp;
}

function differencesOf(
  destination: DestinationView,
  explanation: Explanation,
  request: ExpectedRequest,
  expected: ReachExpectation,
): readonly Difference[] {
  const { pathname, search, host } = new URL(request.url);
  const { sent, mirrors, timeoutMs = explanation.timeoutMs ?? 0 } = destination;
  const usable = usableEndpoints(destination);
  const differences: Difference[] = [];
  differ(differences, 'path', expected.path, sent?.path ?? pathname + search);
  differ(differences, 'host', expected.host, sent?.host ?? host);
  differ(differences, 'timeoutMs', expected.timeoutMs, timeoutMs);
  if (expected.endpoint !== undefined)
    differ(differences, 'endpoint', addressOf(expected.endpoint), usable.only ?? `any of ${usable.all.join(', ') || 'none'}`);
  if (expected.endpoints !== undefined)
    differ(differences, 'endpoints', listed(expected.endpoints.map(addressOf)), listed(usable.all));
  if (expected.mirrors !== undefined)
    differ(differences, 'mirrors', listed(expected.mirrors), listed(mirrors.filter(({ percent }) => percent > 0).map(nameOf)));
  const headers = sent?.headers ?? Object.entries(request.headers ?? {});
  return [...differences, ...headerDifferences(expected.headers ?? {}, headers)];
}

function headerDifferences(
  expected: Readonly<Record<string, string | RegExp | null>>,
  actual: readonly (readonly [name: string, value: string])[],
): readonly Difference[] {
  const differences: Difference[] = [];
  for (const [name, value] of Object.entries(expected)) {
    const found = actual.filter(([other]) => other.toLowerCase() === name.toLowerCase()).map(([, one]) => one);
    differ(differences, `header ${name}`, value, found.length === 0 ? null : found.join(', '));
  }
  return differences;
}

function differ(differences: Difference[], what: string, expected: unknown, actual: unknown): void {
  if (expected === undefined || expected === actual) return;
  if (expected instanceof RegExp && typeof actual === 'string' && actual.search(expected) >= 0) return;
  differences.push({ what, expected, actual });
}

function isNamed(destination: DestinationView, cluster: string, subset: string | null | undefined): boolean {
  if (destination.cluster !== cluster) return false;
  return subset === undefined || destination.subset === (subset ?? undefined);
}

function addressOf(endpoint: EndpointName): string {
  return typeof endpoint === 'string' ? endpoint : endpoint.address;
}

function listed(names: readonly string[]): string {
  return [...names].sort().join(', ') || 'none';
}
