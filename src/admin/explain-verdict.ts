import type { EndpointView } from './endpoint-view.ts';
import type { AbortView } from './explain-abort.ts';
import type { DestinationView } from './explain-destination.ts';
import type { Explanation } from './explain.ts';

/** In one sentence: what happens to a request that is answered or refused so, or goes there. */
export function verdictOf({
  destinations,
  answer,
  abort,
  refusal,
}: Pick<Explanation, 'destinations' | 'answer' | 'abort' | 'refusal'>): string {
  if (answer !== undefined) return afterAbort(abort, refusal ?? answerWords(answer));
  if (destinations.length === 0) return 'no destination has a weight: the request fails with MESH_NO_CLUSTER';
  return destinations.map((destination) => destinationWords(destination, refusal)).join('; ');
}

function answerWords({ status, headers }: NonNullable<Explanation['answer']>): string {
  const { location } = headers;
  const to = typeof location === 'string' ? ` and the location ${location}` : '';
  return `answered with ${status}${to}, without asking an endpoint`;
}

/** Faults are the first that is done to a request. */
function afterAbort(abort: AbortView | undefined, rest: string): string {
  if (abort === undefined) return rest;
  const { percent, httpStatus, grpcStatus } = abort;
  const status = grpcStatus === undefined ? httpStatus : `gRPC status ${grpcStatus}`;
  const words = `answered with ${status} on purpose (fault.abort), without asking an endpoint`;
  return percent >= 100 ? words : `${percent} % ${words}, the others: ${rest}`;
}

function destinationWords(destination: DestinationView, refusal: string | undefined): string {
  const { cluster, subset, percent, abort } = destination;
  if (cluster === '') return 'the request does not have the header that names its service: it fails with MESH_NO_CLUSTER';
  const share = `${percent.toFixed(0)} % to ${subset === undefined ? cluster : `${cluster}/${subset}`}`;
  return `${share}: ${afterAbort(abort, refusal ?? fateWords(destination))}`;
}

function fateWords({ found, awaited, endpoints, panic, status, endpoint, fails, fallback }: DestinationView): string {
  if (status !== undefined) return `answered with ${status}, without asking an endpoint`;
  if (fallback !== undefined) return fallback;
  if (awaited !== undefined) return awaited;
  if (!found) return 'it is missing (MESH_NO_CLUSTER)';
  const healthy = endpoints.filter(({ state }) => state === 'healthy').length;
  const chosen = endpoint === undefined ? '' : `, to ${endpoint.address} by its ${endpoint.by}`;
  const words = `${healthy} of ${endpoints.length} endpoints healthy`;
  return fails === undefined ? `${words}${panicWords(panic, endpoints)}${chosen}` : `${words}, and the request fails: ${fails}`;
}

/** In panic ejected hosts are used again; open breakers are not. */
function panicWords(panic: boolean, endpoints: readonly EndpointView[]): string {
  if (!panic) return '';
  const open = endpoints.filter(({ state }) => state === 'circuit').length;
  return open === 0 ? ', all are used (panic)' : `, all are used (panic) but the ${open} whose circuit breakers are open`;
}
