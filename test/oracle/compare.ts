/** What two sides did, aspect by aspect; what cannot be the same is left out, and why is said here. */
import type { Ask } from './oracle-case.ts';
import type { Observation } from './observation.ts';
import { idHeader, type Arrival } from './upstreams.ts';

/** One aspect in which the sides differ. */
export interface Difference {
  /** `status`, `flags`, `attempts`, `header x-a` … */
  readonly aspect: string;
  readonly envoy: string;
  readonly meshfetch: string;
}

/** Of the connection between client and proxy, or of a proxy as a server, which a mesh inside the process is not. */
const ignoredRequestHeaders = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'host',
  'te',
  // Set by Envoy's connection manager, which also tells its own requests from those of outside.
  'x-forwarded-proto',
  'x-forwarded-for',
  'x-envoy-internal',
  'x-request-id',
  'traceparent',
  'tracestate',
  idHeader,
]);

const ignoredResponseHeaders = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'date',
  'server',
  'x-envoy-upstream-service-time',
  // Compared as the endpoint of the attempt.
  'x-upstream',
]);

/** Both count down from the same timeout; the machine is between them. */
const expectedTimeoutHeader = 'x-envoy-expected-rq-timeout-ms';
const expectedTimeoutTolerance = 0.3;
const expectedTimeoutToleranceMs = 60;

/** The aspects in which the answers to one ask differ. */
export function compare(ask: Ask, envoy: readonly Observation[], meshfetch: readonly Observation[]): Difference[] {
  const differences: Difference[] = [];
  const check = (aspect: string, ofEnvoy: string, ofMesh: string): void => {
    if (ofEnvoy !== ofMesh) differences.push({ aspect, envoy: ofEnvoy, meshfetch: ofMesh });
  };
  const both = (aspect: string, read: (one: Observation) => string): void => {
    const [ofEnvoy, ofMesh] = [envoy.map(read), meshfetch.map(read)];
    if (ask.roughly === undefined || !isRoughly(ofEnvoy, ofMesh, ask.roughly)) check(aspect, tally(ofEnvoy), tally(ofMesh));
  };
  // Envoy answers a gRPC request with a head of status 200 that says what failed; the mesh has its error say it.
  const isGrpcError =
    meshfetch.every(({ headers }) => headers === undefined) && envoy.every((one) => one.grpcStatus !== undefined);
  if (isGrpcError) both('grpc-status', (one) => String(one.grpcStatus));
  else both('status', (one) => String(one.status));
  both('complete', (one) => String(one.isComplete));
  both('flags', (one) => one.flags);
  const mode = ask.endpoints ?? 'same';
  if (mode !== 'any') both('attempts', (one) => String(one.arrivals.length));
  if (envoy.some((one) => one.tries > one.arrivals.length)) both('tries', (one) => String(one.tries));
  if (mode === 'same') both('endpoints', (one) => namesOf(one).sort().join('+') || '-');
  if (mode === 'as-many') both('endpoints', (one) => String(new Set(namesOf(one)).size));
  if (typeof mode === 'object') {
    for (const [name, share] of Object.entries(mode.shares)) {
      for (const [side, observations] of [
        ['envoy', envoy],
        ['meshfetch', meshfetch],
      ] as const) {
        const found = shareOf(observations, name);
        const words = `${(share * 100).toFixed(0)} ± ${(mode.within * 100).toFixed(0)} % to ${name}`;
        if (Math.abs(found - share) > mode.within)
          check(`share ${name}`, side === 'envoy' ? percent(found) : words, side === 'envoy' ? words : percent(found));
      }
    }
  }
  if (ask.elapsedMs !== undefined) {
    const [soon, most] = ask.elapsedMs;
    // Timers of both may fire a little early; a wait that is not made at all is far below.
    const least = soon * 0.85;
    const within = (one: Observation): string =>
      one.elapsedMs < least ? `less than ${least} ms` : one.elapsedMs > most ? `more than ${most} ms` : 'in time';
    both('elapsed', within);
  }
  if (envoy.length === 1 && meshfetch.length === 1) compareMessages(envoy[0]!, meshfetch[0]!, check);
  return differences;
}

function compareMessages(
  envoy: Observation,
  meshfetch: Observation,
  check: (aspect: string, a: string, b: string) => void,
): void {
  // A copy may overtake its original.
  const [ofMesh, ofEnvoy] = [byEndpoint(meshfetch.arrivals), byEndpoint(envoy.arrivals)];
  for (let index = 0; index < Math.min(ofMesh.length, ofEnvoy.length); index++) {
    const [sent, expected] = [ofMesh[index]!, ofEnvoy[index]!];
    const at = index === 0 ? '' : ` of attempt ${index + 1}`;
    check(`method${at}`, expected.method, sent.method);
    check(`path${at}`, expected.path, sent.path);
    check(`host${at}`, expected.host, sent.host);
    check(`body${at}`, String(expected.bodyBytes), String(sent.bodyBytes));
    for (const name of namesIn(expected.headers, sent.headers, ignoredRequestHeaders)) {
      const [wanted, found] = [expected.headers[name], sent.headers[name]];
      if (name === expectedTimeoutHeader && isNear(Number(wanted), Number(found))) continue;
      check(`header ${name}${at}`, wanted ?? 'none', found ?? 'none');
    }
  }
  // An error has no response; its status and flags were compared.
  if (envoy.headers === undefined || meshfetch.headers === undefined) return;
  for (const name of namesIn(envoy.headers, meshfetch.headers, ignoredResponseHeaders))
    check(`response header ${name}`, envoy.headers[name] ?? 'none', meshfetch.headers[name] ?? 'none');
  const bodyOf = (one: Observation): string => one.body.replace(/^answered by \w+\n$/, 'of the endpoint');
  if (envoy.isComplete && meshfetch.isComplete) check('response body', bodyOf(envoy), bodyOf(meshfetch));
}

function byEndpoint(arrivals: readonly Arrival[]): readonly Arrival[] {
  return arrivals.toSorted((one, other) => (one.endpoint < other.endpoint ? -1 : one.endpoint > other.endpoint ? 1 : 0));
}

function namesIn(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
  ignored: ReadonlySet<string>,
): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => !ignored.has(name)).sort();
}

function isRoughly(ones: readonly string[], others: readonly string[], within: number): boolean {
  const share = (values: readonly string[], value: string): number =>
    values.filter((one) => one === value).length / Math.max(1, values.length);
  return [...new Set([...ones, ...others])].every((value) => Math.abs(share(ones, value) - share(others, value)) <= within);
}

function isNear(one: number, other: number): boolean {
  return Math.abs(one - other) <= Math.max(expectedTimeoutToleranceMs, expectedTimeoutTolerance * Math.max(one, other));
}

const namesOf = (one: Observation): string[] => one.arrivals.map(({ endpoint }) => endpoint);
const percent = (ratio: number): string => `${(ratio * 100).toFixed(1)} %`;

function shareOf(observations: readonly Observation[], name: string): number {
  const arrivals = observations.flatMap(namesOf);
  return arrivals.length === 0 ? 0 : arrivals.filter((one) => one === name).length / arrivals.length;
}

/** `200` for one, `200 ×3, 503 ×1` for several. */
export function tally(values: readonly string[]): string {
  if (values.length === 1) return values[0]!;
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([value, count]) => `${value} ×${count}`)
    .join(', ');
}
