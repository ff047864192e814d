/** What of an explanation is a reached endpoint, an answer or a failure, and which share of the requests each is. */
import type { DestinationView, Explanation } from '../../admin/explain.ts';

/** A part of the requests that comes to the same. */
export interface RouteShare {
  readonly percent: number;
  readonly outcome:
    | { readonly kind: 'reached'; readonly destination: DestinationView }
    | { readonly kind: 'answered'; readonly status: number }
    /** By what the circuit breaker of the cluster has in its place, in words. */
    | { readonly kind: 'replaced'; readonly by: string }
    /** `code` undefined = the words do not name one. */
    | { readonly kind: 'failed'; readonly code: string | undefined };
}

/** The shares of an explanation; they come to 100. None while it is pending. */
export function sharesOf(explanation: Explanation): readonly RouteShare[] {
  const { answer, abort, refusal, destinations, verdict, rateLimit, pending } = explanation;
  if (pending) return [];
  const beyondLimit = refusal === undefined ? undefined : (rateLimit?.status ?? 429);
  if (answer !== undefined) return afterAbort(100, abort, answered(100, beyondLimit ?? answer.status));
  if (destinations.length === 0) return [failed(100, verdict)];
  return destinations
    .filter(({ percent }) => percent > 0 || destinations.length === 1)
    .flatMap((destination) => {
      // One that is named by a header has no weight, and gets all.
      const percent = destination.percent > 0 ? destination.percent : 100;
      const { status } = destination;
      const rest =
        beyondLimit !== undefined || status !== undefined
          ? answered(percent, beyondLimit ?? status!)
          : reached(percent, destination);
      return afterAbort(percent, destination.abort ?? abort, rest);
    });
}

/** In words: `90 % to orders/v1`. */
export function wordsOf({ percent, outcome }: RouteShare): string {
  const share = `${Number(percent.toFixed(2))} %`;
  if (outcome.kind === 'answered') return `${share} answered with ${outcome.status}`;
  if (outcome.kind === 'replaced') return `${share}: ${outcome.by}`;
  if (outcome.kind === 'failed') return `${share} fail${outcome.code === undefined ? '' : ` with ${outcome.code}`}`;
  return `${share} to ${nameOf(outcome.destination)}`;
}

/** `cluster/subset`. */
export function nameOf({ cluster, subset }: { readonly cluster: string; readonly subset?: string | undefined }): string {
  return subset === undefined ? cluster : `${cluster}/${subset}`;
}

/** Addresses of the endpoints that may get the request now, and the one that gets it where that is certain. */
export function usableEndpoints(destination: DestinationView): {
  readonly all: readonly string[];
  readonly only: string | undefined;
} {
  const { endpoints, endpoint, panic, priorities } = destination;
  const usable = endpoints.filter(({ state, degraded = false, priority = 0 }) => {
    const load = priorities?.[priority];
    if (load === undefined) return panic ? state !== 'circuit' : state === 'healthy';
    if (load.isPanic && load.healthyPercent > 0) return state !== 'circuit';
    return state === 'healthy' && (degraded ? load.degradedPercent : load.healthyPercent) > 0;
  });
  const isDegradedUsed = priorities !== undefined || !usable.some(({ degraded }) => degraded !== true);
  const all = usable.filter(({ degraded }) => isDegradedUsed || degraded !== true).map(({ address }) => address);
  return { all, only: endpoint?.address ?? (all.length === 1 ? all[0] : undefined) };
}

function reached(percent: number, destination: DestinationView): RouteShare {
  const { found, awaited, fails, fallback, cluster } = destination;
  if (fails !== undefined || awaited !== undefined) return failed(percent, fails ?? awaited!);
  if (fallback !== undefined) return { percent, outcome: { kind: 'replaced', by: fallback } };
  if (cluster === '' || !found) return failed(percent, 'MESH_NO_CLUSTER');
  return { percent, outcome: { kind: 'reached', destination } };
}

function afterAbort(percent: number, abort: Explanation['abort'], rest: RouteShare): readonly RouteShare[] {
  if (abort === undefined || abort.percent <= 0) return [rest];
  const aborted = (percent * Math.min(100, abort.percent)) / 100;
  const left = percent - aborted;
  return [answered(aborted, abort.httpStatus), ...(left > 0 ? [{ ...rest, percent: left }] : [])];
}

function answered(percent: number, status: number): RouteShare {
  return { percent, outcome: { kind: 'answered', status } };
}

function failed(percent: number, words: string): RouteShare {
  return { percent, outcome: { kind: 'failed', code: /MESH_[A-Z_]+/.exec(words)?.[0] } };
}
