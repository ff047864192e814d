/** Attempts after the first, where something else changes meanwhile: the configuration, the body, the limits, the kind of request. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { createVirtualClock } from 'meshfetch/testing';
import { request, upgrade } from 'undici';
import type { RetryConfig } from '../../src/model/policy.ts';
import type { Resource } from '../../src/model/snapshot.ts';
import { endpointAt, routesOf, staticCluster } from '../support/cluster-plane.ts';
import { startH2cServer } from '../support/grpc-exchange.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { ask, errorOf, policyMesh } from '../support/policy-mesh.ts';
import { answer, closedPort, startServer, type TestServer } from '../support/servers.ts';

/** A retry that waits a second of virtual time. */
const later: RetryConfig = { maxAttempts: 2, on: ['5xx', 'reset'], backoff: { baseMs: 1000, maxMs: 1000, jitterRatio: 0 } };
const quick: RetryConfig = { ...later, backoff: { baseMs: 1, maxMs: 1 } };

function routed(cluster: string, retry: RetryConfig, subset?: string): Resource {
  const to = [{ cluster, weight: 1, ...(subset === undefined ? {} : { subset }) }];
  return routesOf('orders', [{ match: {}, action: { kind: 'forward', to } }], { retry });
}

/** A destination with a secret, a host and a header of the response of its own. */
function destinationFor(cluster: string, service: string, weight = 1) {
  return {
    cluster,
    weight,
    requestHeaders: { set: [['x-secret', `for ${service}`] as const] },
    responseHeaders: { set: [['x-from', service] as const] },
    hostRewrite: { kind: 'literal', host: `${service}.internal` } as const,
  };
}

/** The first request gets 503, the others 200. */
function failingOnce(): RequestListener {
  let count = 0;
  return (_request, response) => response.writeHead(++count === 1 ? 503 : 200).end();
}

describe('while a retry waits', () => {
  const changes: readonly {
    readonly name: string;
    readonly resources: (address: string) => readonly Resource[];
    readonly remove?: readonly { readonly kind: 'cluster'; readonly name: string }[];
  }[] = [
    {
      name: 'a-cluster-by-another-name',
      resources: (address) => [routed('new', later), staticCluster('new', [endpointAt(address)])],
      remove: [{ kind: 'cluster', name: 'orders' }],
    },
    {
      name: 'a-subset-by-another-name',
      resources: (address) => [
        routed('orders', later, 'green'),
        staticCluster('orders', [endpointAt(address, { metadata: { version: 'v2' } })], {
          subsets: { green: { version: 'v2' } },
        }),
      ],
    },
  ];
  for (const { name, resources, remove } of changes) {
    it(`its service may get ${name}, and serves it`, async (t) => {
      const clock = createVirtualClock();
      const server = await startServer(failingOnce());
      const { mesh, plane } = await policyMesh(t, [server.address], { retry: later }, { options: { clock } });
      await plane.deliver([
        routed('orders', later, 'blue'),
        staticCluster('orders', [endpointAt(server.address, { metadata: { version: 'v1' } })], {
          subsets: { blue: { version: 'v1' } },
        }),
      ]);
      const answered = ask(mesh);
      await eventually('the first attempt is over', () => server.requests.length === 1 && held(mesh).requests === 0);
      // Where it was nobody answers for it any more.
      const other = await startServer(answer('moved'));
      await plane.deliver(resources(other.address), remove ?? []);
      await clock.advance(1000);
      assert.equal((await answered).body, 'moved');
      assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
    });
  }

  it('its service may go, and the call says so', async (t) => {
    const clock = createVirtualClock();
    const server = await startServer(failingOnce());
    const { mesh, plane } = await policyMesh(t, [server.address], { retry: later }, { options: { clock } });
    const failed = errorOf(ask(mesh));
    await eventually('the first attempt is over', () => server.requests.length === 1 && held(mesh).requests === 0);
    await plane.deliver([], [{ kind: 'cluster', name: 'orders' }]);
    await clock.advance(1000);
    const error = await failed;
    assert.equal(error.code, 'MESH_NO_CLUSTER');
    assert.equal(server.requests.length, 1);
  });

  it('the body is not read on, so that the retry has all of it', async (t) => {
    const clock = createVirtualClock();
    const bodies: string[] = [];
    const server = await startServer((incoming, response) => {
      if (server.requests.length === 1) {
        // Answers before the body is there.
        response.writeHead(503).end();
        return;
      }
      buffer(incoming).then(
        (body) => {
          bodies.push(body.toString());
          response.end('done');
        },
        () => {},
      );
    });
    const { mesh } = await policyMesh(t, [server.address], { retry: { ...later, maxBodyBytes: 100 } }, { options: { clock } });
    const body = new Readable({ read() {} });
    body.push('first '.padEnd(90, '.'));
    const answered = ask(mesh, { method: 'PUT', body });
    await eventually('the first attempt is over', () => server.requests.length === 1 && held(mesh).requests === 0);
    // More than what is kept: it must wait in the stream.
    for (let count = 0; count < 10; count++) body.push(`${count}`.padEnd(90, '.'));
    body.push(null);
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1000);
    assert.equal((await answered).body, 'done');
    assert.equal(bodies[0]!.length, 990);
    assert.ok(bodies[0]!.startsWith('first '));
    assert.ok(bodies[0]!.endsWith('9'.padEnd(90, '.')));
  });
});

describe('a retry', () => {
  it('holds its place under maxRetries until its response begins, not until it ends', async (t) => {
    let count = 0;
    const server = await startServer((_request, response) => {
      if (++count % 2 === 1) response.writeHead(503).end();
      else response.writeHead(200).write('an endless response');
    });
    const { mesh } = await policyMesh(t, [server.address], { retry: quick }, { cluster: { limits: { maxRetries: 1 } } });
    const streams = [];
    for (let call = 0; call < 3; call++) {
      const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
      assert.equal(response.statusCode, 200);
      streams.push(response.body);
    }
    for (const stream of streams) {
      stream.on('error', () => {});
      stream.destroy();
    }
  });

  it('is made of an upgrade that was not sent, and of no other', async (t) => {
    const server = await startServer(answer('no upgrade'));
    let upgrades = 0;
    server.server.on('upgrade', (_request, socket) => {
      upgrades++;
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    });
    const on = ['connect-failure', 'reset'] as const;
    const { mesh } = await policyMesh(t, [`127.0.0.1:${await closedPort()}`, server.address], { retry: { ...quick, on } });
    for (let call = 0; call < 4; call++) {
      const { socket } = await upgrade('http://orders/', { dispatcher: mesh.dispatcher, protocol: 'websocket' });
      socket.destroy();
    }
    assert.equal(upgrades, 4);
    const cutting = await startServer(() => {});
    cutting.server.on('upgrade', (incoming, socket) => {
      upgrades++;
      socket.destroy();
      incoming.destroy();
    });
    const cut = await policyMesh(t, [cutting.address], { retry: { ...quick, on } });
    assert.equal(
      (await errorOf(upgrade('http://orders/', { dispatcher: cut.mesh.dispatcher, protocol: 'websocket' }))).code,
      'MESH_RESET',
    );
    assert.equal(upgrades, 5);
  });

  const posts: readonly { readonly name: string; readonly option?: 'never' | 'as-configured'; readonly requests: number }[] = [
    { name: 'by-default', requests: 2 },
    { name: 'as-configured', option: 'as-configured', requests: 2 },
    { name: 'never', option: 'never', requests: 1 },
  ];
  for (const { name, option, requests } of posts) {
    it(`of a POST that may have been acted on obeys the policy, unless the program forbids it: ${name}`, async (t) => {
      const server = await startServer(failingOnce());
      const retry: RetryConfig = { ...quick, nonIdempotent: 'as-configured' };
      const options = option === undefined ? {} : { nonIdempotentRetries: option };
      const { mesh } = await policyMesh(t, [server.address], { retry }, { options });
      await ask(mesh, { method: 'POST', body: 'x' });
      assert.equal(server.requests.length, requests);
      // What is idempotent is not concerned.
      const again = await startServer(failingOnce());
      const other = await policyMesh(t, [again.address], { retry }, { options });
      await ask(other.mesh);
      assert.equal(again.requests.length, 2);
    });
  }

  it('of a gRPC call is forbidden with it', async (t) => {
    const server = await startH2cServer((_request, response) => response.writeHead(200, { 'grpc-status': '14' }).end());
    const retry: RetryConfig = { ...quick, on: ['unavailable'] };
    const headers = { 'content-type': 'application/grpc' };
    const obeyed = await policyMesh(t, [server.address], { retry });
    await ask(obeyed.mesh, { method: 'POST', headers });
    assert.equal(server.requests.length, 2);
    const forbidden = await policyMesh(t, [server.address], { retry }, { options: { nonIdempotentRetries: 'never' } });
    await ask(forbidden.mesh, { method: 'POST', headers });
    assert.equal(server.requests.length, 3);
  });
});

describe('a gRPC call that fails', () => {
  const places: Readonly<Record<string, RequestListener>> = {
    'in-its-head': (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '14' }).end(),
    'in-its-trailers': (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status' });
      response.write('');
      response.addTrailers({ 'grpc-status': '14' });
      response.end();
    },
  };
  for (const [name, listener] of Object.entries(places)) {
    it(`counts for the circuit breaker of its host: ${name}`, async (t) => {
      const server = await startServer(listener);
      const circuitBreaker = { errorThresholdPercent: 50, minimumRequests: 3, openMs: 60_000, windowMs: 10_000 };
      const { mesh } = await policyMesh(t, [server.address], {}, { cluster: { circuitBreaker } });
      for (let call = 0; call < 3; call++) await ask(mesh, { headers: { te: 'trailers' } });
      assert.equal((await errorOf(ask(mesh))).code, 'MESH_CIRCUIT_OPEN');
      assert.equal(server.requests.length, 3);
    });

    it(`does not bring its host back as a probe: ${name}`, async (t) => {
      const clock = createVirtualClock();
      let isWell = false;
      const server = await startServer((incoming, response) => {
        if (isWell) response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '0' }).end();
        else listener(incoming, response);
      });
      const circuitBreaker = { errorThresholdPercent: 50, minimumRequests: 3, openMs: 50, windowMs: 10_000 };
      const { mesh } = await policyMesh(t, [server.address], {}, { cluster: { circuitBreaker }, options: { clock } });
      const state = (): string => mesh.status().clusters[0]!.endpoints[0]!.state;
      for (let call = 0; call < 3; call++) await ask(mesh);
      assert.equal(state(), 'circuit');
      const probe = async (): Promise<void> => {
        const before = server.requests.length;
        await eventually('the probe is let through', () => {
          void ask(mesh).catch(() => {});
          return server.requests.length > before;
        });
        await eventually('nothing is under way', () => held(mesh).requests === 0);
      };
      await probe();
      assert.equal(state(), 'circuit');
      isWell = true;
      await probe();
      await eventually('it is back', () => state() === 'healthy');
    });
  }
});

describe('an attempt at another destination', () => {
  for (const draw of ['first-available', 'weighted-available'] as const)
    it(`is edited for it, and so is its response: ${draw}`, async (t) => {
      const bad = await startServer((_request, response) => response.writeHead(503).end());
      const good = await startServer(answer('good'));
      const { mesh } = await policyMesh(
        t,
        [bad.address],
        { retry: { ...quick, maxAttempts: 3 } },
        {
          action: { draw, to: [destinationFor('orders', 'first', 1_000_000), destinationFor('second', 'second')] },
          clusters: { second: [good.address] },
          cluster: {
            outlierDetection: { consecutive5xx: 1, baseEjectionMs: 30_000, maxEjectionMs: 30_000, maxEjectionPercent: 100 },
          },
        },
      );
      for (let count = 0; count < 4; count++)
        assert.deepEqual(
          [await ask(mesh)].map(({ status, headers }) => [status, headers['x-from']]),
          [[200, 'second']],
        );
      const told = (server: TestServer) =>
        new Set(server.requests.map(({ headers }) => `${String(headers['x-secret'])} ${headers.host}`));
      assert.ok(bad.requests.length > 0);
      assert.deepEqual(told(bad), new Set(['for first first.internal']));
      assert.deepEqual(told(good), new Set(['for second second.internal']));
    });

  it('is edited for it when the first one had no edits, and is gone', async (t) => {
    const clock = createVirtualClock();
    const server = await startServer(failingOnce());
    const { mesh, plane } = await policyMesh(t, [server.address], { retry: later }, { options: { clock } });
    const answered = ask(mesh);
    await eventually('it waits', () => server.requests.length === 1 && held(mesh).requests === 0);
    const action = { kind: 'forward', to: [destinationFor('new', 'new')] } as const;
    await plane.deliver(
      [routesOf('orders', [{ match: {}, action }], { retry: later }), staticCluster('new', [endpointAt(server.address)])],
      [{ kind: 'cluster', name: 'orders' }],
    );
    await clock.advance(1000);
    assert.equal((await answered).headers['x-from'], 'new');
    assert.deepEqual(
      server.requests.map(({ headers }) => headers['x-secret']),
      [undefined, 'for new'],
    );
  });
});
