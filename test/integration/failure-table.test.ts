/**
 * The golden failure table: each row is what Envoy 1.40 answers (status, response flag, details class, attempts), provoked on real
 * sockets. Rows that need features of later versions are listed in `notYet`, with what they wait for.
 */
import assert from 'node:assert/strict';
import diagnostics from 'node:diagnostics_channel';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, MeshError } from 'meshfetch';
import type { Resource } from '../../src/model/snapshot.ts';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { allTo, endpointAt, routesOf, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually } from '../support/mesh-of.ts';
import { startHttps, temporaryFolder } from '../support/secured.ts';
import { closedPort, startServer, startTcpServer } from '../support/servers.ts';

interface Row {
  readonly name: string;
  /** Extra keys of the service in the file. */
  readonly service: (address: string) => Record<string, unknown>;
  readonly server: () => Promise<{ address: string }>;
  readonly status: number;
  readonly flags: string;
  readonly details: string;
  readonly code: string;
  readonly attempts: number;
  /** Requests that are under way already. */
  readonly before?: number;
  readonly isBody?: boolean;
  readonly path?: string;
}

const authority = await testAuthority();
const billing = await workloadCertificate(authority, 'billing');
const identity = await writeIdentityFiles(await temporaryFolder(), 'web', await workloadCertificate(authority, 'web'), authority);

const refused = async (): Promise<{ address: string }> => ({ address: `127.0.0.1:${await closedPort()}` });
const silent = () => startServer(() => {});
const one =
  (more: Record<string, unknown> = {}) =>
  (address: string) => ({ endpoints: [address], retry: { maxAttempts: 1 }, ...more });
const thrice = (on: string[], more: Record<string, unknown> = {}) => ({
  retry: { maxAttempts: 3, on, backoff: { baseMs: 1, maxMs: 2 }, ...more },
});

const rows: readonly Row[] = [
  {
    name: 'connect-refused',
    server: refused,
    service: one(),
    status: 503,
    flags: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure}',
    code: 'MESH_CONNECT_FAILED',
    attempts: 1,
  },
  {
    name: 'connect-refused-with-retries',
    server: refused,
    service: one(thrice(['connect-failure'])),
    status: 503,
    flags: 'URX,UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure}',
    code: 'MESH_CONNECT_FAILED',
    attempts: 3,
  },
  {
    name: 'peer-closes-before-headers',
    server: () => startTcpServer((socket) => socket.once('data', () => socket.destroy())),
    service: one(),
    status: 503,
    flags: 'UC',
    details: 'upstream_reset_before_response_started{connection_termination}',
    code: 'MESH_RESET',
    attempts: 1,
  },
  {
    name: 'route-timeout',
    server: silent,
    service: one({ timeoutMs: 60 }),
    status: 504,
    flags: 'UT',
    details: 'response_timeout',
    code: 'MESH_TIMEOUT',
    attempts: 1,
  },
  {
    name: 'per-try-timeout-with-retries',
    server: silent,
    service: one(thrice(['gateway-error'], { perTryTimeoutMs: 30 })),
    status: 504,
    flags: 'URX,UT',
    details: 'upstream_per_try_timeout',
    code: 'MESH_PER_TRY_TIMEOUT',
    attempts: 3,
  },
  {
    name: 'limit-of-requests',
    server: silent,
    service: one({ limits: { maxRequests: 1 } }),
    before: 1,
    status: 503,
    flags: 'UO',
    details: 'upstream_reset_before_response_started{overflow}',
    code: 'MESH_OVERFLOW',
    attempts: 1,
  },
  {
    name: 'garbage-from-the-peer',
    server: () => startTcpServer((socket) => socket.once('data', () => socket.end('SSH-2.0-nonsense\r\n\r\n'))),
    service: one(),
    status: 502,
    flags: 'UPE',
    details: 'upstream_reset_before_response_started{protocol_error}',
    code: 'MESH_PROTOCOL_ERROR',
    attempts: 1,
  },
  {
    name: 'reset-in-the-body',
    server: () =>
      startServer((_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('partial');
        setImmediate(() => response.socket?.resetAndDestroy());
      }),
    service: one(),
    status: 200,
    flags: 'UPE',
    details: 'upstream_reset_after_response_started{protocol_error}',
    code: 'MESH_BODY_ABORTED',
    attempts: 1,
    isBody: true,
  },
  {
    name: 'tls-to-a-plaintext-port',
    server: () => startServer(() => {}),
    service: one({ tls: { mode: 'simple', peers: ['spiffe://example.org/orders'] } }),
    status: 503,
    flags: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure|TLS_error}',
    code: 'MESH_TLS_FAILED',
    attempts: 1,
  },
  {
    name: 'connect-timeout',
    server: () => startTcpServer(() => {}),
    service: one({ tls: { mode: 'simple' }, connectTimeoutMs: 60 }),
    status: 503,
    flags: 'UF',
    details: 'upstream_reset_before_response_started{connection_timeout}',
    code: 'MESH_CONNECT_TIMEOUT',
    attempts: 1,
  },
  {
    name: 'wrong-name-in-the-certificate',
    server: () => startHttps(billing, () => {}),
    service: one({ tls: { mode: 'simple', peers: ['spiffe://example.org/orders'] } }),
    status: 503,
    flags: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure|peer_identity_mismatch}',
    code: 'MESH_PEER_IDENTITY',
    attempts: 1,
  },
  {
    name: 'body-shorter-than-its-content-length',
    server: () =>
      startTcpServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'))),
    service: one(),
    status: 200,
    flags: 'UPE',
    details: 'upstream_reset_after_response_started{protocol_error}',
    code: 'MESH_BODY_ABORTED',
    attempts: 1,
    isBody: true,
  },
  {
    name: 'bad-chunk-in-the-body',
    server: () =>
      startTcpServer((socket) =>
        socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n')),
      ),
    service: one(),
    status: 200,
    flags: 'UPE',
    details: 'upstream_reset_after_response_started{protocol_error}',
    code: 'MESH_BODY_ABORTED',
    attempts: 1,
    isBody: true,
  },
  {
    name: 'reset-in-a-body-without-length',
    server: () =>
      startTcpServer((socket) =>
        socket.once('data', () => {
          socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf');
          setTimeout(() => socket.resetAndDestroy(), 20);
        }),
      ),
    service: one(),
    status: 200,
    flags: 'UPE',
    details: 'upstream_reset_after_response_started{protocol_error}',
    code: 'MESH_BODY_ABORTED',
    attempts: 1,
    isBody: true,
  },
  {
    name: 'reset-with-retries',
    server: () => startTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy())),
    service: one(thrice(['reset'])),
    status: 503,
    flags: 'URX,UC',
    details: 'upstream_reset_before_response_started{connection_termination}',
    code: 'MESH_RESET',
    attempts: 3,
  },
  {
    name: 'header-block-too-long',
    server: () =>
      startTcpServer((socket) =>
        socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nx-long: ${'x'.repeat(100_000)}\r\n\r\n`)),
      ),
    service: one(),
    status: 502,
    flags: 'UPE',
    details: 'upstream_reset_before_response_started{protocol_error}',
    code: 'MESH_PROTOCOL_ERROR',
    attempts: 1,
  },
  {
    name: 'route-timeout-in-the-body',
    server: () => startServer((_request, response) => response.writeHead(200).write('half')),
    service: one({ timeoutMs: 60 }),
    status: 504,
    flags: 'UT',
    details: 'response_timeout',
    code: 'MESH_TIMEOUT',
    attempts: 1,
    isBody: true,
  },
  {
    name: 'no-route',
    server: silent,
    service: (address) => ({ endpoints: [address], routes: [{ match: { path: { prefix: '/v2' } }, to: [{}] }] }),
    status: 404,
    flags: 'NR',
    details: 'route_not_found',
    code: 'MESH_NO_ROUTE',
    attempts: 0,
  },
];

/** A control plane that delivers these resources and nothing else. */
interface PlaneRow extends Pick<Row, 'name' | 'status' | 'flags' | 'details' | 'code' | 'attempts'> {
  readonly resources: readonly Resource[];
}

/** Rows that a file cannot say, because its check refuses them. */
const planeRows: readonly PlaneRow[] = [
  {
    name: 'cluster-missing',
    resources: [allTo('orders', 'nowhere')],
    status: 503,
    flags: 'NC',
    details: 'cluster_not_found',
    code: 'MESH_NO_CLUSTER',
    attempts: 0,
  },
  {
    name: 'subset-missing',
    resources: [
      routesOf('orders', [{ match: {}, action: { kind: 'forward', to: [{ cluster: 'c', subset: 'v9', weight: 1 }] } }]),
      staticCluster('c', [endpointAt('127.0.0.1:1')]),
    ],
    status: 503,
    flags: 'NC',
    details: 'cluster_not_found',
    code: 'MESH_NO_CLUSTER',
    attempts: 1,
  },
  {
    name: 'cluster-with-no-hosts',
    resources: [allTo('orders', 'c'), staticCluster('c', [])],
    status: 503,
    flags: 'UH',
    details: 'no_healthy_upstream',
    code: 'MESH_NO_HEALTHY_ENDPOINT',
    attempts: 1,
  },
];

/** Rows of Envoy's table that wait for a feature. */
const notYet = ['fault delay and abort', 'rbac denial', 'local rate limit', 'redirect and direct response'];

describe('the golden failure table', () => {
  for (const row of rows) {
    it(row.name, async () => {
      const { address } = await row.server();
      await using mesh = await createMesh({
        controlPlane: { identity, services: { orders: row.service(address) } } as never,
        drainTimeoutMs: 0,
      });
      for (let index = 0; index < (row.before ?? 0); index++)
        request('http://orders/', { dispatcher: mesh.dispatcher }).catch(() => {});
      const error = await request(`http://orders${row.path ?? '/'}`, { dispatcher: mesh.dispatcher }).then(
        async (response) => {
          assert.equal(row.isBody, true, `expected a failure, got ${response.statusCode}`);
          return response.body.text().then(
            () => assert.fail('the body should break off'),
            (cause: unknown) => cause,
          );
        },
        (cause: unknown) => cause,
      );
      assert.ok(isMeshError(error) && error instanceof MeshError, String(error));
      assert.deepEqual(
        {
          status: error.status,
          flags: error.flags,
          details: error.responseCodeDetails,
          code: error.code,
          attempts: error.attempts.length,
        },
        { status: row.status, flags: row.flags, details: row.details, code: row.code, attempts: row.attempts },
      );
    });
  }

  for (const row of planeRows) {
    it(row.name, async () => {
      const plane = new TestControlPlane();
      await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
      await plane.deliver(row.resources);
      const error = await request('http://orders/', { dispatcher: mesh.dispatcher }).catch((cause: unknown) => cause);
      assert.ok(isMeshError(error), String(error));
      const { status, flags, responseCodeDetails: details, code, attempts } = error;
      assert.deepEqual(
        { status, flags, details, code, attempts: attempts.length },
        { status: row.status, flags: row.flags, details: row.details, code: row.code, attempts: row.attempts },
      );
    });
  }

  it('client-gives-up', async () => {
    const name = `gives-up-${process.pid}`;
    const ends: { flags: string; details: string; attempts: readonly object[]; status: number | undefined }[] = [];
    diagnostics.subscribe('meshfetch:request:end', (event) => {
      if ((event as { mesh: string }).mesh === name) ends.push(event as never);
    });
    const server = await startServer(() => {});
    await using mesh = await createMesh({ name, controlPlane: { services: { orders: { endpoints: [server.address] } } } });
    const caller = new AbortController();
    const outcome = request('http://orders/', { dispatcher: mesh.dispatcher, signal: caller.signal });
    await eventually('it is there', () => server.requests.length === 1);
    caller.abort(new Error('enough'));
    await assert.rejects(outcome, /enough/);
    const [{ flags, details, attempts, status }] = ends as [(typeof ends)[number]];
    assert.deepEqual(
      { flags, details, attempts: attempts.length, status },
      { flags: 'DC', details: 'downstream_remote_disconnect', attempts: 1, status: undefined },
    );
  });

  it('delivers a 503 whose retries are exhausted as the response that it is', async () => {
    const server = await startServer((_request, response) => response.writeHead(503).end('sorry'));
    await using mesh = await createMesh({
      controlPlane: {
        services: {
          orders: {
            endpoints: [server.address],
            retry: { maxAttempts: 3, on: ['gateway-error'], backoff: { baseMs: 1, maxMs: 2 } },
          },
        },
      } as never,
    });
    const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
    assert.equal(response.statusCode, 503);
    assert.equal(await response.body.text(), 'sorry');
    assert.equal(server.requests.length, 3);
  });

  it('rejects fetch with TypeError("fetch failed") and the MeshError as its cause', async () => {
    const { address } = await refused();
    await using mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: [address] } } } as never });
    await assert.rejects(mesh.fetch('http://orders/'), (error: unknown) => {
      assert.ok(error instanceof TypeError);
      assert.equal(error.message, 'fetch failed');
      assert.ok(isMeshError(error.cause));
      assert.equal(error.cause.code, 'MESH_CONNECT_FAILED');
      return true;
    });
  });

  it('lists what it does not cover yet', () => assert.ok(notYet.length > 0));
});
