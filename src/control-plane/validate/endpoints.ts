/**
 * Checks of endpoints. An address that is named twice in one cluster is kept once, in its most preferred place, and the others are
 * reported: Kubernetes says that EndpointSlices may repeat an address while it moves, so refusing the set would freeze the cluster
 * at its last good one just when it changes. (gRPC refuses such a set, Envoy uses the address once.)
 */
import { isIP } from 'node:net';
import type { EndpointConfig, EndpointsConfig, Http2Config, LocalityEndpoints } from '../../model/cluster.ts';
import { maxNameBytes, maxUint32, printed, type Check } from './check.ts';
import type { Sliced } from './plain-data.ts';
import { withoutRepeatedLocalities } from './repeated-localities.ts';
import { checkUpstreamTls } from './tls.ts';

const maxEndpoints = 100_000;
const endpointsPerSlice = 64;

/** Checks the endpoints of a cluster; returns the configuration without repetitions, the very one when there are none. */
export function* checkEndpoints(check: Check, config: EndpointsConfig): Sliced<EndpointsConfig> {
  checkShares(check, config);
  const localities = yield* checkLocalities(check, config.localities);
  return localities === config.localities ? config : { ...config, localities };
}

/** Checks what endpoints say of all priorities together. */
export function checkShares(
  check: Check,
  { overprovisioningPercent, drops }: Pick<EndpointsConfig, 'overprovisioningPercent' | 'drops'>,
): void {
  check.whole('overprovisioningPercent', overprovisioningPercent, 100); // Envoy: below 100 % makes no sense
  check.each('drops', drops, (inner, drop) => {
    inner.name('category', drop.category);
    inner.ratio('ratio', drop.ratio ?? null);
  });
}

/** Checks localities with their endpoints; returns them without repeated addresses, and weighted ones once each. */
export function* checkLocalities(check: Check, localities: readonly LocalityEndpoints[]): Sliced<readonly LocalityEndpoints[]> {
  check.enter('localities');
  if (localities === undefined) check.reject('must be a list, even if it is empty');
  const priorities = new Map<number, { sum: number; weighted: number }>();
  let count = 0;
  for (const [index, locality] of check.list(localities).entries()) {
    check.enter(index);
    check.whole('priority', locality.priority ?? null, 0);
    check.whole('weight', locality.weight, 0);
    for (const part of ['region', 'zone', 'subZone'] as const) {
      if (locality.locality?.[part] !== undefined) check.text(part, locality.locality[part]);
    }
    const priority = priorities.get(locality.priority) ?? { sum: 0, weighted: 0 };
    priorities.set(locality.priority, priority);
    if (locality.weight !== undefined) {
      priority.sum += locality.weight;
      priority.weighted++;
    }
    count += yield* checkLocality(check, locality);
    check.leave();
  }
  for (const [priority, { sum, weighted }] of priorities) {
    if (sum > maxUint32) check.reject(`the weights at priority ${priority} add up to ${sum}; at most ${maxUint32} is allowed`);
    if (weighted > 0 && sum === 0)
      check.reject(`all weights at priority ${priority} are 0; leave them out to share by endpoints`);
  }
  checkContiguous(check, [...priorities.keys()]);
  if (count > maxEndpoints) check.reject(`has ${count} endpoints; at most ${maxEndpoints} are allowed`);
  const isSound = check.problems.length === 0;
  const once = isSound ? withoutRepeatedLocalities(check, yield* withoutRepeats(check, localities)) : localities;
  check.leave();
  return once;
}

function checkContiguous(check: Check, priorities: number[]): void {
  priorities.sort((a, b) => a - b);
  const gap = priorities.findIndex((priority, index) => priority !== index);
  if (gap !== -1 && Number.isInteger(priorities[gap])) {
    check.reject(`there is a priority ${priorities[gap]} and no priority ${gap}; priorities are contiguous from 0`);
  }
}

function* checkLocality(check: Check, { endpoints }: LocalityEndpoints): Sliced<number> {
  check.enter('endpoints');
  let sum = 0;
  const list = check.list(endpoints);
  for (const [index, endpoint] of list.entries()) {
    if (index % endpointsPerSlice === endpointsPerSlice - 1) yield;
    check.enter(index);
    checkEndpoint(check, endpoint);
    check.leave();
    sum += endpoint.weight ?? 1;
  }
  if (sum > maxUint32) check.reject(`the weights add up to ${sum}; at most ${maxUint32} is allowed`);
  check.leave();
  return list.length;
}

function checkEndpoint(check: Check, endpoint: EndpointConfig): void {
  const { address } = endpoint;
  if (typeof address === 'string' && address.startsWith('/')) {
    if (address.length > maxNameBytes || address.includes('\0')) check.reject('is no path of a socket', 'address');
    if (endpoint.port !== 0) check.reject('must be 0 for the path of a socket', 'port');
  } else {
    if (isIP(address) === 0) check.hostname('address', address);
    check.port('port', endpoint.port ?? null, 1);
  }
  if (endpoint.weight === 0)
    check.reject('is 0; for an endpoint without traffic set `health: draining`, or leave it out', 'weight');
  else check.whole('weight', endpoint.weight, 1);
  check.oneOf('health', endpoint.health, ['healthy', 'degraded', 'draining', 'unhealthy']);
  check.within('healthCheck', endpoint.healthCheck, (inner, own) => {
    inner.port('port', own.port, 1);
    if (own.hostname !== undefined) inner.authority('hostname', own.hostname);
    inner.flag('isDisabled', own.isDisabled);
  });
  if (endpoint.hostname !== undefined) check.name('hostname', endpoint.hostname);
  if (endpoint.authority !== undefined) check.name('authority', endpoint.authority);
  check.oneOf('protocol', endpoint.protocol, upstreamProtocols);
  check.within('tls', endpoint.tls, checkUpstreamTls);
  check.within('http2', endpoint.http2, checkHttp2);
  check.within('tunnel', endpoint.tunnel, (inner, tunnel) => {
    inner.oneOf('kind', tunnel.kind ?? 'nothing', ['hbone', 'linkerd-transport-header']);
    if (tunnel.kind === 'hbone') inner.port('port', tunnel.port ?? null, 1);
    else inner.port('inboundPort', tunnel.inboundPort ?? null, 1);
  });
}

/** Wire protocols to endpoints. */
export const upstreamProtocols: readonly string[] = ['http1', 'http2', 'auto', 'same-as-request'];

/** Checks parameters of HTTP/2; the bounds are those of RFC 9113, section 6.5.2. */
export function checkHttp2(check: Check, http2: Http2Config): void {
  check.whole('maxConcurrentStreams', http2.maxConcurrentStreams, 1, 2_147_483_647);
  check.whole('initialStreamWindowBytes', http2.initialStreamWindowBytes, 65_535, 2_147_483_647);
  check.whole('initialConnectionWindowBytes', http2.initialConnectionWindowBytes, 65_535, 2_147_483_647);
  check.whole('maxFrameBytes', http2.maxFrameBytes, 16_384, 16_777_215);
  check.within('keepAlive', http2.keepAlive, (inner, keepAlive) => {
    inner.durationMs('intervalMs', keepAlive.intervalMs ?? null);
    inner.durationMs('timeoutMs', keepAlive.timeoutMs ?? null);
    inner.flag('whileIdle', keepAlive.whileIdle);
  });
}

/** Keeps the first endpoint of each address, those of a lower priority number before all others. */
function* withoutRepeats(check: Check, localities: readonly LocalityEndpoints[]): Sliced<readonly LocalityEndpoints[]> {
  const places = new Map<string, EndpointConfig>();
  const repeated = new Set<EndpointConfig>();
  const byPriority = localities
    .map((locality, index) => ({ locality, index }))
    .sort((a, b) => a.locality.priority - b.locality.priority);
  let visited = 0;
  for (const { locality, index } of byPriority) {
    for (const [at, endpoint] of locality.endpoints.entries()) {
      if (++visited % endpointsPerSlice === 0) yield;
      const address = `${endpoint.address.toLowerCase()}:${endpoint.port}`;
      if (!places.has(address)) {
        places.set(address, endpoint);
        continue;
      }
      repeated.add(endpoint);
      check.enter(index);
      check.enter('endpoints');
      check.note(`${printed(endpoint.address)} port ${endpoint.port} is there twice; only the first, by priority, is used`, at);
      check.leave();
      check.leave();
    }
  }
  if (repeated.size === 0) return localities;
  return localities.map((locality) => ({
    ...locality,
    endpoints: locality.endpoints.filter((endpoint) => !repeated.has(endpoint)),
  }));
}
