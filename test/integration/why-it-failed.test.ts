/** What errors, events and responses say of requests that the mesh answered, limited or did not repeat, over real sockets. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, type Mesh, type MeshError } from 'meshfetch';
import { requestContextFrom, withRequestContext } from '../../src/data-plane/inherit.ts';
import { startH2cServer } from '../support/grpc-exchange.ts';
import type { ServiceInput } from '../support/mesh-of.ts';
import { eventually, ordersAt } from '../support/mesh-of.ts';
import { testAuthority, workloadCertificate } from '../support/certificates.ts';
import { startHttps } from '../support/secured.ts';
import { answer, startServer, type TestServer } from '../support/servers.ts';
import type { EventPayloads } from '../../src/telemetry/events.ts';
import { debugLine } from '../../src/telemetry/debug-lines.ts';

type Options = { method?: 'GET' | 'POST'; headers?: Record<string, string>; path?: string };

async function failure(mesh: Mesh, { path = '/', ...options }: Options = {}): Promise<MeshError> {
  const error = await request(`http://orders${path}`, { dispatcher: mesh.dispatcher, ...options }).then(
    ({ statusCode }) => new Error(`answered ${statusCode}`),
    (cause: unknown) => cause,
  );
  if (!isMeshError(error)) throw error;
  return error;
}

/** Closes the connection of each request that has come. */
const startBreaking = (): Promise<TestServer> => startServer((incoming) => void incoming.socket.destroy());
const startSilent = (): Promise<TestServer> => startServer(() => {});

describe('the event of a request that the mesh answers itself', () => {
  const rows: readonly { name: string; service: ServiceInput; expected: object; line: RegExp }[] = [
    {
      name: 'fault',
      service: { fault: { abort: { percent: 100, status: 503 } } },
      expected: { status: 503, flags: 'FI', details: 'fault_filter_abort' },
      line: /route "orders" → 503 FI fault_filter_abort, answered by the mesh in/,
    },
    {
      name: 'rate-limit',
      service: { rateLimit: { requests: 1, perMs: 3_600_000 } },
      expected: { status: 429, flags: 'RL', details: 'local_rate_limited' },
      line: /429 RL local_rate_limited, answered by the mesh in/,
    },
    {
      name: 'response',
      service: { routes: [{ name: 'closed', respond: { status: 503, body: 'closed' } }] },
      expected: { status: 503, flags: '-', details: 'direct_response', route: 'closed' },
      line: /route "closed" → 503 direct_response, answered by the mesh in/,
    },
    {
      name: 'redirect',
      service: { routes: [{ name: 'moved', redirect: { host: 'elsewhere' } }] },
      expected: { status: 301, flags: '-', details: 'direct_response', route: 'moved' },
      line: /route "moved" → 301 direct_response, answered by the mesh in/,
    },
  ];
  for (const { name, service, expected, line } of rows) {
    it(`names its route, and which policy it was: ${name}`, async () => {
      const server = await startServer(answer('real'));
      await using mesh = await ordersAt([server.address], service);
      if (name === 'rate-limit') await (await mesh.fetch('http://orders/')).text();
      const events: EventPayloads['request:end'][] = [];
      const listen = (event: unknown): void => void events.push(event as EventPayloads['request:end']);
      subscribe('meshfetch:request:end', listen);
      try {
        const { body } = await request('http://orders/', { dispatcher: mesh.dispatcher });
        await body.dump();
        const { status, flags, details, route, configVersion, attempts } = events[0]!;
        assert.notEqual(route, undefined);
        assert.notEqual(configVersion, undefined);
        assert.deepEqual({ status, flags, details, route, attempts: attempts.length }, { route, ...expected, attempts: 0 });
        assert.match(debugLine('request:end', events[0]!), line);
      } finally {
        unsubscribe('meshfetch:request:end', listen);
      }
    });
  }
});

describe('the error of a request that was not tried again', () => {
  it('says of a POST that it may have been processed, and that an Idempotency-Key would let it be repeated', async () => {
    const server = await startBreaking();
    await using mesh = await ordersAt([server.address]);
    const error = await failure(mesh, { method: 'POST' });
    assert.equal(error.code, 'MESH_RESET');
    assert.match(error.message, /not retried: it may have been processed.*Idempotency-Key/);
    assert.match(error.remedy, /`Idempotency-Key`.*`retry.nonIdempotent: as-configured`/);
    assert.equal(error.details['retryDenied'], 'method');
    assert.equal(server.requests.length, 1);
    const repeated = await failure(mesh, { method: 'POST', headers: { 'idempotency-key': '1' } });
    assert.equal(server.requests.length, 3);
    assert.equal(repeated.details['retryDenied'], 'attempts');
    assert.doesNotMatch(repeated.message, /not retried/);
  });

  it('says that no time was left', async () => {
    const server = await startBreaking();
    await using mesh = await ordersAt([server.address], {
      timeoutMs: 2000,
      retry: { on: ['reset'], backoff: { baseMs: 3_600_000, maxMs: 3_600_000 } },
    });
    const error = await failure(mesh);
    assert.match(error.message, /not retried: its time would be over first/);
    assert.equal(error.details['retryDenied'], 'deadline');
  });

  it('says that the budget is spent', async () => {
    const server = await startBreaking();
    await using mesh = await ordersAt([server.address], {
      retry: { on: ['reset'], budget: { ratio: 0, minTokens: 0 } },
    });
    // A quiet second grants one retry, whatever the ratio.
    const errors = await Promise.all([1, 2, 3].map(() => failure(mesh)));
    const denied = errors.filter(({ details }) => details['retryDenied'] === 'budget');
    assert.equal(denied.length, 2);
    for (const { message } of denied) assert.match(message, /not retried: the retry budget is spent/);
  });
});

describe('a Retry-After of an hour', () => {
  it('is not waited for: the response is delivered at once, and an event says why', async () => {
    const server = await startServer((_, response) => void response.writeHead(503, { 'retry-after': '3600' }).end());
    await using mesh = await ordersAt([server.address], { retry: { on: ['5xx'] } });
    const reasons: string[] = [];
    const listen = (event: unknown): void => void reasons.push((event as EventPayloads['retry:denied']).reason);
    subscribe('meshfetch:retry:denied', listen);
    try {
      const response = await mesh.fetch('http://orders/');
      assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '3600']);
      assert.deepEqual([reasons, server.requests.length], [['wait'], 1]);
    } finally {
      unsubscribe('meshfetch:retry:denied', listen);
    }
  });

  it('is passed over where a policy names the header, as in Envoy', async () => {
    const server = await startServer((_, response) => void response.writeHead(503, { 'retry-after': '3600' }).end());
    await using mesh = await ordersAt([server.address], { retry: { on: ['5xx'], resetHeaders: { 'retry-after': 'seconds' } } });
    assert.equal((await mesh.fetch('http://orders/')).status, 503);
    assert.equal(server.requests.length, 2);
  });
});

describe('a route whose service is named by a header', () => {
  const service: ServiceInput = { routes: [{ name: 'tenants', serviceHeader: 'x-svc' }] };

  it('says that the request does not have the header', async () => {
    await using mesh = await ordersAt(['127.0.0.1:1'], service);
    const error = await failure(mesh);
    assert.equal(error.code, 'MESH_NO_CLUSTER');
    assert.match(error.message, /the route "tenants" .* request header "x-svc" names, and the request has no such header/);
    assert.match(error.remedy, /Send the header `x-svc`/);
    assert.deepEqual(error.details, { header: 'x-svc', value: '' });
  });

  it('says which value it has when no service is called so', async () => {
    await using mesh = await ordersAt(['127.0.0.1:1'], service);
    const error = await failure(mesh, { headers: { 'x-svc': 'nobody' } });
    assert.match(error.message, /"nobody" is none that object has delivered/);
    assert.deepEqual(error.details, { header: 'x-svc', value: 'nobody' });
  });
});

describe('the error of a request whose time is over', () => {
  it('says "raise timeoutMs" where that is what it takes', async () => {
    const server = await startSilent();
    await using mesh = await ordersAt([server.address], { timeoutMs: 50 });
    const error = await failure(mesh);
    assert.match(error.message, /no response within 50 ms at/);
    assert.match(error.remedy, /^Raise `timeoutMs` of the route/);
  });

  it('blames the inbound request for its deadline', async () => {
    const server = await startSilent();
    await using mesh = await ordersAt([server.address], { timeoutMs: 60_000 });
    const context = requestContextFrom({ 'x-envoy-expected-rq-timeout-ms': '50' });
    const error = await withRequestContext(context, () => failure(mesh));
    assert.match(error.remedy, /^The time of the inbound request is over/);
    const late = await withRequestContext({ isTrusted: false, deadlineMs: performance.now() - 1000 }, () => failure(mesh));
    assert.match(late.remedy, /^The time of the inbound request is over/);
  });

  it('names the header that asked for so little', async () => {
    const server = await startSilent();
    await using mesh = await ordersAt([server.address], { timeoutMs: 60_000, overrideHeaders: 'envoy' });
    const whole = await failure(mesh, { headers: { 'x-envoy-upstream-rq-timeout-ms': '50' } });
    assert.match(whole.remedy, /`x-envoy-upstream-rq-timeout-ms`/);
    const perTry = await failure(mesh, { headers: { 'x-envoy-upstream-rq-per-try-timeout-ms': '50' } });
    assert.equal(perTry.code, 'MESH_PER_TRY_TIMEOUT');
    assert.match(perTry.remedy, /`x-envoy-upstream-rq-per-try-timeout-ms`/);
  });

  it('counts from the end of an injected delay, and is flagged with both', async () => {
    const server = await startSilent();
    await using mesh = await ordersAt([server.address], { timeoutMs: 50, fault: { delay: { percent: 100, fixedMs: 100 } } });
    const flags: string[] = [];
    const listen = (event: unknown): void => void flags.push((event as EventPayloads['request:end']).flags);
    subscribe('meshfetch:request:end', listen);
    try {
      const error = await failure(mesh);
      assert.match(error.message, /no response within 50 ms after an injected delay of 1\d\d ms/);
      assert.deepEqual(flags, ['DI,UT']);
    } finally {
      unsubscribe('meshfetch:request:end', listen);
    }
  });
});

describe('the error of a connection that broke before a response', () => {
  it('asks for TLS where the endpoint has never answered in plaintext', async () => {
    const server = await startHttps(await workloadCertificate(await testAuthority(), 'orders'), answer('real'));
    await using mesh = await ordersAt([server.address]);
    const error = await failure(mesh);
    assert.equal(error.code, 'MESH_RESET');
    assert.match(error.message, /never answered in plaintext \(does it want TLS\?\)/);
  });

  it('does not where it has', async () => {
    const server = await startServer((incoming, response) => {
      if (incoming.url === '/breaks') incoming.socket.destroy();
      else response.end('real');
    });
    await using mesh = await ordersAt([server.address]);
    await (await mesh.fetch('http://orders/')).text();
    assert.doesNotMatch((await failure(mesh, { path: '/breaks' })).message, /plaintext|TLS/);
  });
});

describe('the error of a request that a limit refused', () => {
  it('has the place of the limit and its counts', async () => {
    const server = await startSilent();
    await using mesh = await ordersAt([server.address], { limits: { maxRequests: 1 }, timeoutMs: 500 });
    const first = failure(mesh);
    await eventually('the first one is there', () => server.requests.length === 1);
    const error = await failure(mesh);
    assert.equal(error.code, 'MESH_OVERFLOW');
    assert.deepEqual(error.details, { limit: 'limits.maxRequests', count: 1, max: 1 });
    await first;
  });
});

describe('headers of the mesh', () => {
  const context = { isTrusted: true, criticality: 'sheddable', attempt: 2, deadlineMs: performance.now() + 60_000 } as const;
  const ofMesh = ['x-envoy-expected-rq-timeout-ms', 'x-envoy-attempt-count', 'x-request-criticality'];

  it('go to services', async () => {
    const server = await startServer(answer('real'));
    await using mesh = await ordersAt([server.address]);
    await withRequestContext(context, async () => (await mesh.fetch('http://orders/')).text());
    assert.deepEqual(
      ofMesh.filter((name) => name in server.requests[0]!.headers),
      ofMesh,
    );
  });

  it('do not go to hosts that only DNS knows', async () => {
    const server = await startH2cServer(answer('real'));
    await using mesh = await createMesh({ drainTimeoutMs: 100 });
    const headers = { 'grpc-timeout': '70S', 'content-type': 'application/grpc' };
    await withRequestContext(context, async () => {
      await (await mesh.fetch(`http://${server.address}/`, { method: 'POST', headers })).text();
    });
    const got = server.requests[0]!.headers;
    assert.deepEqual(
      ofMesh.filter((name) => name in got),
      [],
    );
    assert.equal(got['grpc-timeout'], '70S');
  });
});

describe('mesh.status()', () => {
  it('says that DNS is not used where unknown hosts are refused', async () => {
    const stateOfDns = (mesh: Mesh): string | undefined =>
      mesh.status().controlPlanes.find(({ source }) => source === 'dns')?.state;
    await using refusing = await createMesh({ unknownHosts: 'refuse', drainTimeoutMs: 0 });
    await using asking = await createMesh({ drainTimeoutMs: 0 });
    assert.deepEqual([stateOfDns(refusing), stateOfDns(asking)], ['not-used', 'connected']);
  });
});
