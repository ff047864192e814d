/**
 * The golden failure table: each row is what Envoy 1.40 answers (status, response flag, details class, attempts), provoked on real
 * sockets. Rows that need features of later versions are listed in `notYet`, with what they wait for.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, MeshError } from 'meshfetch';
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

/** Rows of Envoy's table that wait for a feature. */
const notYet = [
  'cluster-missing from a file (the file check refuses it at start)',
  'fault delay and abort',
  'rbac denial',
  'local rate limit',
  'redirect and direct response',
];

describe('the golden failure table', () => {
  for (const row of rows) {
    it(row.name, async () => {
      const { address } = await row.server();
      await using mesh = await createMesh({
        controlPlane: { services: { orders: row.service(address) } } as never,
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
