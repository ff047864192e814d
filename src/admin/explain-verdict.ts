import type { EndpointView } from './endpoint-view.ts';
import type { DestinationView } from './explain-destination.ts';
import type { Explanation } from './explain.ts';

/** In one sentence: what happens to a request that is answered so, or goes there. */
export function verdictOf(destinations: readonly DestinationView[], answer: Explanation['answer']): string {
  if (answer !== undefined) {
    const { location } = answer.headers;
    const to = typeof location === 'string' ? ` and the location ${location}` : '';
    return `answered with ${answer.status}${to}, without asking an endpoint`;
  }
  if (destinations.length === 0) return 'no destination has a weight: the request fails with MESH_NO_CLUSTER';
  return destinations.map(destinationWords).join('; ');
}

function destinationWords(destination: DestinationView): string {
  const { cluster, subset, percent, found, awaited, endpoints, panic, status, endpoint } = destination;
  const share = `${percent.toFixed(0)} % to ${subset === undefined ? cluster : `${cluster}/${subset}`}`;
  if (status !== undefined) return `${share}: answered with ${status}, without asking an endpoint`;
  if (awaited !== undefined) return `${share}: ${awaited}`;
  if (cluster === '') return 'the request does not have the header that names its service: it fails with MESH_NO_CLUSTER';
  if (!found) return `${share}, which is missing (MESH_NO_CLUSTER)`;
  const healthy = endpoints.filter(({ state }) => state === 'healthy').length;
  const chosen = endpoint === undefined ? '' : `, to ${endpoint.address} by its ${endpoint.by}`;
  return `${share}: ${healthy} of ${endpoints.length} endpoints healthy${panicWords(panic, endpoints)}${chosen}`;
}

/** In panic ejected hosts are used again; open breakers are not. */
function panicWords(panic: boolean, endpoints: readonly EndpointView[]): string {
  if (!panic) return '';
  const open = endpoints.filter(({ state }) => state === 'circuit').length;
  if (open === endpoints.length) return ', their circuit breakers are open (MESH_CIRCUIT_OPEN)';
  return open === 0 ? ', all are used (panic)' : `, all are used (panic) but the ${open} whose circuit breakers are open`;
}
