/**
 * A real Envoy, set up as Istio sets up the sidecar of a client, in front of `mesh.listen` with the listeners that a real istiod has
 * written for the server: it reaches a PERMISSIVE port by mutual TLS over HTTP/1.1 and HTTP/2, as curl does in plaintext, and a STRICT
 * port by mutual TLS alone.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { createMesh, type Mesh } from 'meshfetch';
import type { InboundServer } from '../../../src/data-plane/listen/listen-options.ts';
import type { MeshRequest } from '../../../src/model/inbound.ts';
import type { InboundListenerConfig } from '../../../src/model/listener.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../src/security/certificate-authority.ts';
import { testAuthority, validity } from '../../support/certificates.ts';
import { askHttp1, clientOptions, SecuredPlane } from '../../support/listening.ts';
import { eventually } from '../../support/mesh-of.ts';
import { startEnvoy, type EnvoyProcess } from './envoy-process.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const extensions = 'type.googleapis.com/envoy.extensions';
const server = 'spiffe://cluster.local/ns/bank/sa/wallet';
const client = 'spiffe://cluster.local/ns/bank/sa/teller';
const goldenPort = 6000;

/** What Istio's `istio.alpn` filter makes Envoy offer, and what it offers for TCP. */
const offers = {
  http1: ['istio-http/1.1', 'istio', 'http/1.1'],
  http2: ['istio-h2', 'istio', 'h2'],
  tcp: ['istio-peer-exchange', 'istio'],
} as const;

interface Seen {
  readonly isTls: boolean;
  readonly peer: string | undefined;
  readonly url: string | undefined;
}

let authority: CertificateAuthority;
let plane: SecuredPlane;
let mesh: Mesh;
const ports = new Map<'permissive' | 'strict', InboundServer>();
let seen: Seen[] = [];

function identityOf(name: string): Promise<IssuedCertificate> {
  return authority.issue({ uris: [name] }, validity());
}

/** The listener of one port out of what a real istiod sent. */
async function goldenListener(name: string, port: number): Promise<InboundListenerConfig> {
  const file = new URL(`../../golden/istio-inbound/${name}.out.json`, import.meta.url);
  const { listeners } = JSON.parse(await readFile(file, 'utf8')) as { readonly listeners: readonly InboundListenerConfig[] };
  return { ...listeners.find((listener) => listener.port === goldenPort)!, name: `${name}-${port}`, port };
}

function cluster(name: string, port: number, protocol: 'http1' | 'http2', issued?: IssuedCertificate): object {
  const explicit = protocol === 'http2' ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  const typed = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${extensions}.upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: explicit,
    },
  };
  return {
    name,
    type: 'STATIC',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] }],
    },
    typed_extension_protocol_options: typed,
    ...(issued !== undefined && {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': `${extensions}.transport_sockets.tls.v3.UpstreamTlsContext`,
          sni: `outbound_.${port}_._.wallet.bank.svc.cluster.local`,
          common_tls_context: {
            alpn_protocols: offers[protocol],
            tls_certificates: [
              {
                certificate_chain: { inline_string: issued.certificateChain },
                private_key: { inline_string: issued.privateKey.reveal() },
              },
            ],
            validation_context: {
              trusted_ca: { inline_string: authority.certificate },
              match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: server } }],
            },
          },
        },
      },
    }),
  };
}

const loopback = { socket_address: { address: '127.0.0.1', port_value: 0 } };

function httpListener(names: readonly string[]): object {
  return {
    name: 'http',
    address: loopback,
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: 'http',
              http_filters: [{ name: 'router', typed_config: { '@type': `${extensions}.filters.http.router.v3.Router` } }],
              route_config: {
                virtual_hosts: [
                  {
                    name: 'all',
                    domains: ['*'],
                    routes: names.map((name) => ({ match: { prefix: `/${name}/` }, route: { cluster: name } })),
                  },
                ],
              },
            },
          },
        ],
      },
    ],
  };
}

let envoy: EnvoyProcess;

/** Status and body of a request through Envoy. */
async function through(name: string): Promise<readonly [number, string]> {
  const { status, body } = await askHttp1(envoy.ports.get('http')!, { path: `/${name}/x` });
  return [status, body];
}

async function curl(...args: string[]): Promise<readonly [number, string]> {
  const run = promisify(execFile)('curl', ['-sS', '--max-time', '10', '-w', '\n%{http_version} %{http_code}', ...args]);
  const { stdout } = await run.catch((error: { readonly code: number; readonly stdout: string }) => ({
    stdout: `${error.stdout}\nexit ${error.code}`,
  }));
  const lines = stdout.trim().split('\n');
  return [Number(lines.at(-1)!.split(' ').at(-1)), stdout];
}

describe(
  'mesh.listen behind a real Envoy',
  { skip: binary === undefined && 'no Envoy binary; run `npm run live -- envoy`' },
  () => {
    before(async () => {
      authority = await testAuthority();
      plane = new SecuredPlane();
      mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 1000 });
      const identities = await plane.identities;
      identities.setTrustBundle({ name: 'ROOTCA', certificates: authority.certificate });
      identities.setSvid({ name: 'default', ...(await identityOf(server)) });
      const handler = (request: IncomingMessage & { mesh?: MeshRequest }, response: { end(body: string): void }): void => {
        seen.push({ isTls: request.mesh!.isTls, peer: request.mesh!.peer.spiffeId, url: request.url });
        response.end('wallet');
      };
      for (const [mode, golden] of [
        ['permissive', 'permissive-with-ports'],
        ['strict', 'strict'],
      ] as const) {
        const port = await mesh.listen(handler, { port: 0, host: '127.0.0.1' });
        ports.set(mode, port);
        const value = await goldenListener(golden, port.port);
        assert.equal(value.mode, mode);
        await plane.deliver([{ kind: 'listener', name: value.name, value }]);
      }
      const teller = await identityOf(client);
      const clusters = [...ports].flatMap(([mode, { port }]) => [
        cluster(`${mode}-mtls-http1`, port, 'http1', teller),
        cluster(`${mode}-mtls-http2`, port, 'http2', teller),
        cluster(`${mode}-plain-http1`, port, 'http1'),
        cluster(`${mode}-plain-http2`, port, 'http2'),
      ]);
      const names = clusters.map((each) => (each as { name: string }).name);
      envoy = await startEnvoy(binary!, { clusters, listeners: [httpListener(names)] });
    });
    after(async () => {
      await envoy?.stop();
      await mesh?.close();
    });

    for (const mode of ['permissive', 'strict'] as const) {
      for (const protocol of ['http1', 'http2'] as const) {
        it(`takes ${protocol} by mutual TLS under ${mode}, and knows who calls`, async () => {
          seen = [];
          assert.deepEqual(await through(`${mode}-mtls-${protocol}`), [200, 'wallet']);
          assert.deepEqual(seen, [{ isTls: true, peer: client, url: `/${mode}-mtls-${protocol}/x` }]);
          const stats = await envoy.admin(
            `/stats?filter=cluster.${mode}-mtls-${protocol}.(upstream_cx_http|ssl.handshake|ssl.fail)`,
          );
          assert.match(stats, new RegExp(`upstream_cx_http${protocol === 'http1' ? 1 : 2}_total: 1`));
          assert.match(stats, /ssl\.handshake: 1/);
        });
      }
    }

    it('takes plaintext from Envoy and from curl on the same port under permissive', async () => {
      seen = [];
      for (const protocol of ['http1', 'http2']) assert.deepEqual(await through(`permissive-plain-${protocol}`), [200, 'wallet']);
      const url = `http://127.0.0.1:${ports.get('permissive')!.port}/curl`;
      assert.deepEqual(await curl('--http1.1', url), [200, 'wallet\n1.1 200']);
      assert.deepEqual(await curl('--http2-prior-knowledge', url), [200, 'wallet\n2 200']);
      assert.equal(seen.length, 4);
      assert.ok(seen.every(({ isTls, peer }) => !isTls && peer === undefined));
    });

    it('takes no plaintext under strict', async () => {
      seen = [];
      for (const protocol of ['http1', 'http2']) assert.equal((await through(`strict-plain-${protocol}`))[0], 403);
      const url = `http://127.0.0.1:${ports.get('strict')!.port}/curl`;
      for (const version of ['--http1.1', '--http2-prior-knowledge']) assert.equal((await curl(version, url))[0], 403);
      assert.deepEqual(seen, []);
    });

    it('takes no TLS of who shows no certificate, or offers none of the protocols of the mesh', async () => {
      seen = [];
      for (const { port } of ports.values()) {
        // 35: the handshake failed; 52, 55, 56: closed right after it, while nothing had come, while sending, while receiving.
        const [, said] = await curl('-k', `https://127.0.0.1:${port}/`);
        assert.match(said, /exit (35|52|55|56)$/);
      }
      assert.deepEqual(seen, []);
    });

    it('never agrees on the protocol that begins with metadata of the peer', async () => {
      const tls = clientOptions(authority, await identityOf(client));
      const socket = connect({ ...tls, port: ports.get('strict')!.port, ALPNProtocols: [...offers.tcp] });
      await once(socket, 'secureConnect');
      assert.equal(socket.alpnProtocol, 'istio');
      socket.destroy();
    });

    it('fails no request while its certificate rotates under load', async () => {
      const identities = await plane.identities;
      const statuses = new Set<number>();
      let count = 0;
      const over = new AbortController();
      const loop = async (name: string): Promise<void> => {
        while (!over.signal.aborted) {
          statuses.add((await through(name))[0]);
          count += 1;
        }
      };
      const loops = ['permissive-mtls-http1', 'permissive-mtls-http2', 'strict-mtls-http1', 'strict-mtls-http2'].map(loop);
      for (let round = 0; round < 5; round++) {
        identities.setSvid({ name: 'default', ...(await identityOf(server)) });
        const enough = count + 40;
        await eventually('requests go on', () => count >= enough);
      }
      over.abort();
      await Promise.all(loops);
      assert.deepEqual([...statuses], [200]);
    });
  },
);
