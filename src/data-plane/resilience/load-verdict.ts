import type { MeshErrorCode } from '../../base/errors.ts';
import type { Outcome } from './outcome.ts';

/**
 * What an attempt says of the load of its cluster. `success`: taken on, and its latency counts; `error`: taken on, but a quick 404
 * or 500 is no measure of latency; `dropped`: refused for load, or not answered in time; `ignored`: says nothing, since it was
 * ours.
 */
export type LoadVerdict = 'success' | 'error' | 'dropped' | 'ignored';

/** Statuses by which a server says that it has too much to do, or that what is behind it does not answer. */
const refusals: ReadonlySet<number> = new Set([429, 503, 504]);
/** DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE. */
const grpcRefusals: ReadonlySet<string> = new Set(['4', '8', '14']);
/** What happens at an endpoint that has too much to do. */
const dropCodes: ReadonlySet<MeshErrorCode> = new Set<MeshErrorCode>([
  'MESH_TIMEOUT',
  'MESH_PER_TRY_TIMEOUT',
  'MESH_CONNECT_TIMEOUT',
  'MESH_CONNECT_FAILED',
  'MESH_REFUSED_STREAM',
  'MESH_RESET',
]);

/** Reads the verdict from what an attempt came to. */
export function loadVerdict(outcome: Outcome): LoadVerdict {
  if (outcome.kind === 'failure') {
    if (outcome.ours) return 'ignored';
    return dropCodes.has(outcome.code) ? 'dropped' : 'error';
  }
  const { status, grpcStatus } = outcome;
  if (refusals.has(status) || (grpcStatus !== undefined && grpcRefusals.has(grpcStatus))) return 'dropped';
  return status < 400 && (grpcStatus === undefined || grpcStatus === '0') ? 'success' : 'error';
}
