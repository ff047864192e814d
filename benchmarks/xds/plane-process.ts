/** The control plane of the benchmark `xds`, a process of its own: a scripted ADS server whose answers are bytes that were made before. */
import { typeUrls } from '../../src/control-plane/xds/client/contract.ts';
import { apiListener, assignment, edsCluster, routeTable, sidecarListener } from '../../test/support/envoy-samples.ts';
import { envoyBytes } from '../../test/support/envoy-bytes.ts';
import { startAdsServer, type AdsServer } from '../../test/support/ads-server.ts';
import { serveParent } from '../child-process.ts';
import { serviceName } from './service-name.ts';

/** What the plane is told. */
export type PlaneOrder =
  | {
      readonly do: 'serve';
      readonly services: number;
      readonly endpointsEach: number;
      readonly port: number;
      readonly form: 'sidecar' | 'by name';
    }
  /** One endpoint leaves a service, or returns: so many of them, each a push of its own, with a pause between. */
  | { readonly do: 'change'; readonly pushes: number; readonly pauseMs: number }
  /** One change a millisecond, in turn over all services. */
  | { readonly do: 'storm'; readonly durationMs: number }
  /** All endpoints of all services anew, with another weight each: one push. */
  | { readonly do: 'resync' };

/** What it says when that is done. */
export interface PlaneAnswer {
  readonly address: string;
  readonly pushes: number;
}

let server: AdsServer | undefined;
let port = 0;
let services = 0;
let endpointsEach = 0;
let changes = 0;

const typeOf = (kind: keyof typeof typeUrls): string => typeUrls[kind].slice(typeUrls[kind].indexOf('/') + 1);

/** Any loopback address reaches the backend, which listens on all of them. */
function addressOf(service: number, endpoint: number): string {
  const index = service * endpointsEach + endpoint;
  return `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}:${port}`;
}

function endpointsOf(service: number, without: number, weight: number): Uint8Array {
  const addresses = Array.from({ length: endpointsEach }, (_, endpoint) => addressOf(service, endpoint));
  if (without >= 0) addresses.splice(without % endpointsEach, 1);
  const { cluster_name, endpoints } = assignment(serviceName(service), ...addresses);
  const [locality] = endpoints;
  const weighted = locality!.lb_endpoints.map((endpoint) => ({ ...endpoint, load_balancing_weight: weight }));
  return envoyBytes({ cluster_name, endpoints: [{ ...locality!, lb_endpoints: weighted }] }, typeOf('endpoints'));
}

function bytesOf(kind: keyof typeof typeUrls, resources: readonly (object & { name: string })[]): Record<string, Uint8Array> {
  return Object.fromEntries(resources.map((resource) => [resource.name, envoyBytes(resource, typeOf(kind))]));
}

/** One listener of a sidecar for port 80 with all services, or a listener and a route table for each service. */
function serve(ads: AdsServer, form: 'sidecar' | 'by name'): void {
  const names = Array.from({ length: services }, (_, service) => serviceName(service));
  ads.push(
    typeUrls.cluster,
    bytesOf(
      'cluster',
      names.map((name) => edsCluster(name)),
    ),
  );
  ads.push(typeUrls.endpoints, Object.fromEntries(names.map((name, service) => [name, endpointsOf(service, -1, 1)])));
  const tables =
    form === 'sidecar'
      ? [routeTable('80', Object.fromEntries(names.map((name) => [name, name])))]
      : names.map((name) => routeTable(`routes of ${name}`, { '*': name }));
  const listeners =
    form === 'sidecar' ? [sidecarListener(80)] : names.map((name) => apiListener(`${name}:80`, `routes of ${name}`));
  ads.push(typeUrls.routeConfiguration, bytesOf('routeConfiguration', tables));
  ads.push(typeUrls.listener, bytesOf('listener', listeners));
}

/** The next change: an endpoint leaves its service, and is back with the change after. */
function change(ads: AdsServer): void {
  const service = (changes >> 1) % services;
  const without = changes % 2 === 0 ? changes >> 1 : -1;
  changes++;
  ads.push(typeUrls.endpoints, { [serviceName(service)]: endpointsOf(service, without, 1) });
}

async function obey(order: PlaneOrder): Promise<number> {
  if (order.do === 'serve') {
    ({ services, endpointsEach, port } = order);
    server = await startAdsServer();
    serve(server, order.form);
    return 0;
  }
  const ads = server!;
  if (order.do === 'resync') {
    ads.push(
      typeUrls.endpoints,
      Object.fromEntries(Array.from({ length: services }, (_, service) => [serviceName(service), endpointsOf(service, -1, 2)])),
    );
    return 1;
  }
  if (order.do === 'change') {
    for (let push = 0; push < order.pushes; push++) {
      change(ads);
      await new Promise((resolve) => setTimeout(resolve, order.pauseMs));
    }
    return order.pushes;
  }
  const startMs = performance.now();
  let pushed = 0;
  for (;;) {
    const sinceMs = performance.now() - startMs;
    if (sinceMs >= order.durationMs) return pushed;
    for (; pushed < sinceMs; pushed++) change(ads);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

serveParent(async (order: PlaneOrder): Promise<PlaneAnswer> => {
  const pushes = await obey(order);
  return { address: server!.address, pushes };
});
