/** One snapshot of one go-control-plane server, for a real Envoy and for a mesh: the same requests have the same fate. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createMesh } from '../../../src/index.ts';
import { xdsControlPlane } from '../../../src/control-plane/xds/index.ts';
import { AccessLog, askEnvoy } from '../../oracle/ask-envoy.ts';
import { MeshSide } from '../../oracle/ask-mesh.ts';
import { compare, tally } from '../../oracle/compare.ts';
import { DifferenceList } from '../../oracle/known-differences.ts';
import type { Observation } from '../../oracle/observation.ts';
import { asksOf, type OracleCase } from '../../oracle/oracle-case.ts';
import { runAsk } from '../../oracle/run-asks.ts';
import { Upstreams } from '../../oracle/upstreams.ts';
import { closedPort } from '../../support/servers.ts';
import { startEnvoy, type EnvoyProcess } from '../envoy/envoy-process.ts';
import { startControlPlane, type LiveControlPlane } from './control-plane.ts';
import { drawnCase, oracleCases, snapshotOf } from './decisions.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const seed = Number(process.env['ORACLE_SEED'] ?? 1);
const drawnRequests = 300;
const skip = binary === undefined && 'MESHFETCH_LIVE_ENVOY is not set, because there is no Envoy for this machine';

/** How Envoy finds the control plane: a cluster of its own, everything else over ADS. */
function bootstrapOf(address: string): { readonly clusters: object; readonly dynamic: object } {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: Number(address.split(':')[1]) } } };
  const http2 = {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  };
  const cluster = {
    name: 'control-plane',
    type: 'STATIC',
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2 },
    load_assignment: { cluster_name: 'control-plane', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
  const ads = { ads: {}, resource_api_version: 'V3' };
  return {
    clusters: { clusters: [cluster] },
    dynamic: {
      node: { id: 'envoy', cluster: 'test' },
      dynamic_resources: {
        ads_config: {
          api_type: 'GRPC',
          transport_api_version: 'V3',
          grpc_services: [{ envoy_grpc: { cluster_name: 'control-plane' } }],
        },
        lds_config: ads,
        cds_config: ads,
      },
    },
  };
}

describe('one snapshot for Envoy and for a mesh', { skip }, () => {
  const upstreams = new Upstreams();
  const accessLog = new AccessLog();
  const differences = new DifferenceList();
  const drawn = drawnCase(seed, drawnRequests);
  let plane: LiveControlPlane;
  let envoy: EnvoyProcess;
  let side: MeshSide;

  before(async () => {
    await upstreams.start();
    plane = await startControlPlane();
    const listenPort = await closedPort();
    await plane.setSnapshot(snapshotOf([...oracleCases, drawn], (name) => upstreams.port(name), listenPort, '1'));
    const { clusters, dynamic } = bootstrapOf(plane.address);
    envoy = await startEnvoy(binary!, clusters, (line) => accessLog.add(line), dynamic);
    assert.equal(envoy.ports.get('envoy'), listenPort);
    const mesh = await createMesh({
      controlPlane: xdsControlPlane({
        servers: plane.address,
        node: { id: 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local' },
      }),
      unknownHosts: 'refuse',
      drainTimeoutMs: 0,
    });
    side = MeshSide.over(mesh, upstreams);
  });
  after(async () => {
    await side?.stop();
    await envoy?.stop();
    await plane?.kill();
    await upstreams.stop();
  });

  /** The requests of a case, one after the other, through both at once. */
  async function differencesIn(oracleCase: OracleCase, suffix: string): Promise<readonly string[]> {
    const found: string[] = [];
    for (const [index, ask] of asksOf(oracleCase).entries()) {
      side.beginAsk();
      const [ofEnvoy, ofMesh] = await Promise.all([
        runAsk(oracleCase, ask, {
          side: `envoy${suffix}`,
          index,
          upstreams,
          send: (request) => askEnvoy(envoy, 'envoy', accessLog, upstreams, request),
        }),
        runAsk(oracleCase, ask, { side: `meshfetch${suffix}`, index, upstreams, send: (request) => side.ask(request) }),
      ]);
      for (const { aspect, envoy: expected, meshfetch } of compare(ask, ofEnvoy, ofMesh)) {
        const where = `${oracleCase.name}#${index}: ${aspect}`;
        if (differences.find(where) !== undefined) continue;
        const what = `${ask.method ?? 'GET'} ${ask.path ?? '/'} ${JSON.stringify(ask.headers ?? {})} of ${JSON.stringify(ask.script)}`;
        const sides = [ofEnvoy, ofMesh].map((all) => tally(all.map(described))).join('\n    ');
        found.push(`${where}: Envoy ${expected}, meshfetch ${meshfetch}: ${what}\n    ${sides}`);
      }
    }
    return found;
  }

  /** A busy machine makes timers late, once; what differs differs again. */
  async function check(oracleCase: OracleCase): Promise<void> {
    let found = await differencesIn(oracleCase, '');
    if (found.length > 0) found = await differencesIn(oracleCase, '-again');
    assert.equal(found.length, 0, `\n${found.join('\n')}`);
  }

  for (const oracleCase of oracleCases) it(`has the same effect: ${oracleCase.name}`, () => check(oracleCase));

  it(`has the same effect on ${drawnRequests} requests that were drawn (seed ${seed})`, () => check(drawn));

  it('was taken by both without a complaint', async () => {
    const refused = (await plane.events()).filter(({ kind }) => kind === 'nack');
    assert.deepEqual(
      refused.map(({ node, typeUrl, message }) => `${node} ${typeUrl}: ${message}`),
      [],
    );
  });
});

function described({ status, flags, arrivals, details }: Observation): string {
  return `${status} ${flags} at ${arrivals.map(({ endpoint, path }) => `${endpoint} ${path}`).join(', ') || 'no endpoint'} (${details})`;
}
