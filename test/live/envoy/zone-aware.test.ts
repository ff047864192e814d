/**
 * How many requests stay in the zone of the caller: a real Envoy whose `local_cluster` has as many callers in every zone, and a mesh
 * that takes them to be spread so. The same clusters, the same shares.
 */
import assert from 'node:assert/strict';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { translateResources } from '../../../src/control-plane/xds/translate/resources.ts';
import { TestControlPlane } from '../../support/cluster-plane.ts';
import { startEnvoy, type EnvoyProcess } from './envoy-process.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const skip = binary === undefined && 'MESHFETCH_LIVE_ENVOY is not set; `npm run live -- envoy` gets an Envoy';

const times = 2000;
/** Four standard deviations of the difference of two counts. */
const within = (share: number): number => 4 * Math.sqrt((2 * share * (1 - share)) / times) + 0.005;

interface Row {
  readonly name: string;
  /** Healthy endpoints by zone; the caller is in x, where one caller sits in every zone. */
  readonly zones: Readonly<Record<string, number>>;
  readonly unhealthy?: Readonly<Record<string, number>>;
  readonly callers: readonly string[];
  readonly zoneAware?: object;
}

const rows: readonly Row[] = [
  { name: 'even', zones: { x: 3, y: 3 }, callers: ['x', 'y'] },
  { name: 'small-zone', zones: { x: 2, y: 5, z: 5 }, callers: ['x', 'y', 'z'] },
  { name: 'uneven', zones: { x: 1, y: 3, z: 8 }, callers: ['x', 'y', 'z'] },
  { name: 'large-zone', zones: { x: 6, y: 2, z: 2 }, callers: ['x', 'y', 'z'] },
  { name: 'none-in-its-zone', zones: { y: 3, z: 9 }, callers: ['x', 'y', 'z'] },
  { name: 'too-few', zones: { x: 2, y: 3 }, callers: ['x', 'y'] },
  { name: 'few-are-enough', zones: { x: 1, y: 3 }, callers: ['x', 'y'], zoneAware: { min_cluster_size: 2 } },
  { name: 'for-a-half', zones: { x: 3, y: 3 }, callers: ['x', 'y'], zoneAware: { routing_enabled: { value: 50 } } },
  { name: 'some-unhealthy', zones: { x: 2, y: 4, z: 4 }, unhealthy: { x: 1, y: 1 }, callers: ['x', 'y', 'z'] },
];

const servers: Server[] = [];

async function start(zone: string): Promise<number> {
  const server = createServer((_request, response) => response.end(zone));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

function endpointsOf(ports: readonly number[], health: string): object[] {
  return ports.map((port) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    health_status: health,
  }));
}

async function clusterOf({ name, zones, unhealthy = {}, zoneAware = {} }: Row): Promise<object> {
  const endpoints: object[] = [];
  for (const [zone, count] of Object.entries(zones)) {
    const good = await Promise.all(Array.from({ length: count }, () => start(zone)));
    const bad = await Promise.all(Array.from({ length: unhealthy[zone] ?? 0 }, () => start(zone)));
    endpoints.push({
      locality: { region: 'here', zone },
      lb_endpoints: [...endpointsOf(good, 'HEALTHY'), ...endpointsOf(bad, 'UNHEALTHY')],
    });
  }
  return {
    name,
    type: 'STATIC',
    lb_policy: 'RANDOM',
    load_assignment: { cluster_name: name, endpoints },
    common_lb_config: { zone_aware_lb_config: zoneAware },
  };
}

function callersOf(zones: readonly string[]): object {
  const endpoints = zones.map((zone) => ({
    locality: { region: 'here', zone },
    lb_endpoints: endpointsOf([1], 'HEALTHY'),
  }));
  return { name: 'callers', type: 'STATIC', load_assignment: { cluster_name: 'callers', endpoints } };
}

const listener = (cluster: string): object => ({
  name: 'out',
  address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  filter_chains: [
    {
      filters: [
        {
          name: 'hcm',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            stat_prefix: 'out',
            route_config: {
              name: 'out',
              virtual_hosts: [{ name: 'up', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }],
            },
            http_filters: [
              {
                name: 'envoy.filters.http.router',
                typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
              },
            ],
          },
        },
      ],
    },
  ],
});

/** Share of the requests by zone. */
async function shares(ask: () => Promise<string>): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (let time = 0; time < times; time++) {
    const zone = await ask();
    counts.set(zone, (counts.get(zone) ?? 0) + 1 / times);
  }
  return counts;
}

function askEnvoy(envoy: EnvoyProcess): () => Promise<string> {
  return () =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: envoy.ports.get('out')! }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve(body));
      })
        .on('error', reject)
        .end();
    });
}

describe('zone-aware routing, by Envoy and by meshfetch', { skip }, () => {
  const clusters = new Map<Row, object>();
  before(async () => {
    for (const row of rows) clusters.set(row, await clusterOf(row));
  });
  after(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });

  for (const row of rows) {
    it(row.name, async () => {
      const resources = { listeners: [listener(row.name)], clusters: [clusters.get(row)!] };
      const envoy = await startEnvoy(
        binary!,
        { ...resources, clusters: [...resources.clusters, callersOf(row.callers)] },
        undefined,
        {
          node: { id: 'test', cluster: 'callers', locality: { region: 'here', zone: 'x' } },
          cluster_manager: { local_cluster_name: 'callers' },
        },
      );
      const plane = new TestControlPlane('envoy');
      const mesh = await createMesh({ controlPlane: plane, unknownHosts: 'refuse', locality: { zone: 'x' } });
      try {
        const translated = translateResources([resources]);
        assert.deepEqual(translated.problems, []);
        await plane.deliver(translated.resources);
        const ofEnvoy = await shares(askEnvoy(envoy));
        const ofMesh = await shares(async () => (await mesh.fetch('http://up.test/')).text());
        for (const zone of Object.keys(row.zones)) {
          const [expected, found] = [ofEnvoy.get(zone) ?? 0, ofMesh.get(zone) ?? 0];
          assert.ok(Math.abs(expected - found) <= within(expected), `${zone}: Envoy ${expected}, meshfetch ${found}`);
        }
      } finally {
        await mesh.close();
        await envoy.stop();
      }
    });
  }
});
