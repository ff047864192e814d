/** Hosts that fail are taken out and come back, on real sockets: ejection, panic, circuit breaker. */
import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { isMeshError, type Mesh } from 'meshfetch';
import { eventually, ordersAt } from '../support/mesh-of.ts';
import { answer, closedPort, startServer } from '../support/servers.ts';

/** Status, or the code of the error. */
const outcome = async (mesh: Mesh, path = '/'): Promise<string> => {
  try {
    const response = await request(`http://orders${path}`, { dispatcher: mesh.dispatcher });
    await response.body.dump();
    return String(response.statusCode);
  } catch (error) {
    assert.ok(isMeshError(error), String(error));
    return error.code;
  }
};

const stateOf = (mesh: Mesh, address: string): string =>
  mesh
    .status()
    .clusters.flatMap(({ endpoints }) => endpoints)
    .find((endpoint) => endpoint.address === address)!.state;

const noRetry = { retry: { maxAttempts: 1 } };

describe('a host that fails in a row', () => {
  it('is ejected, gets nothing meanwhile, and comes back by one request that succeeds', async () => {
    let isWell = false;
    const bad = await startServer((_request, response) => response.writeHead(isWell ? 200 : 500).end());
    const good = [await startServer(answer('ok')), await startServer(answer('ok'))];
    await using mesh = await ordersAt([bad.address, ...good.map(({ address }) => address)], {
      ...noRetry,
      loadBalancing: { policy: 'round-robin' },
      outlierDetection: { consecutive5xx: 3, baseEjectionMs: 150, maxEjectionMs: 150 },
    });
    while (stateOf(mesh, bad.address) === 'healthy') await outcome(mesh);
    assert.equal(bad.requests.length, 3);
    for (let index = 0; index < 12; index++) assert.equal(await outcome(mesh), '200');
    assert.equal(bad.requests.length, 3);
    isWell = true;
    await eventually('a request may probe it', () => {
      void outcome(mesh);
      return stateOf(mesh, bad.address) === 'healthy';
    });
    assert.ok(bad.requests.length >= 4);
    const before = bad.requests.length;
    // Half of its turns at first, until it has proved itself: of 20 it gets one at least.
    for (let index = 0; index < 60; index++) assert.equal(await outcome(mesh), '200');
    assert.ok(bad.requests.length > before, 'it has its share again');
  });

  it('stays out while its probe fails, with one request at a time', async () => {
    const bad = await startServer((_request, response) => response.writeHead(500).end());
    const good = await startServer(answer('ok'));
    await using mesh = await ordersAt([bad.address, good.address], {
      ...noRetry,
      loadBalancing: { policy: 'round-robin' },
      outlierDetection: { consecutive5xx: 2, baseEjectionMs: 60, maxEjectionMs: 60 },
    });
    while (stateOf(mesh, bad.address) === 'healthy') await outcome(mesh);
    const ejectedAfter = bad.requests.length;
    await eventually('it was probed', () => {
      void Promise.all(Array.from({ length: 5 }, () => outcome(mesh)));
      return bad.requests.length > ejectedAfter;
    });
    await outcome(mesh);
    assert.equal(bad.requests.length, ejectedAfter + 1, 'one probe, although many requests were there');
    assert.equal(stateOf(mesh, bad.address), 'outlier');
  });

  it('is ejected for connections that it refuses', async () => {
    const port = await closedPort();
    const good = [await startServer(answer('ok')), await startServer(answer('ok'))];
    await using mesh = await ordersAt([`127.0.0.1:${port}`, ...good.map(({ address }) => address)], {
      loadBalancing: { policy: 'round-robin' },
    });
    // A refusal does not count while this process stands still, so that it is not said how many it takes.
    let requests = 0;
    for (; stateOf(mesh, `127.0.0.1:${port}`) !== 'outlier' && requests < 300; requests++)
      assert.equal(await outcome(mesh), '200');
    assert.ok(requests < 300, 'it is out');
  });

  it('is not ejected for answers below 500', async () => {
    const strict = await startServer((_request, response) => response.writeHead(404).end());
    await using mesh = await ordersAt([strict.address, strict.address.replace('127.0.0.1', 'localhost')], {
      ...noRetry,
      outlierDetection: { consecutive5xx: 1, consecutiveGatewayFailure: 1 },
    });
    for (let index = 0; index < 10; index++) assert.equal(await outcome(mesh), '404');
    assert.equal(stateOf(mesh, strict.address), 'healthy');
  });

  it('says so on a channel, when it goes and when it is back', async () => {
    const events: unknown[] = [];
    const name = `ejection-${process.pid}`;
    for (const channel of ['meshfetch:host:ejected', 'meshfetch:host:returned']) {
      subscribe(channel, (event) => {
        const { mesh, endpoint } = event as { mesh: string; endpoint: string };
        if (mesh === name) events.push([channel.slice('meshfetch:'.length), endpoint]);
      });
    }
    let isWell = false;
    const bad = await startServer((_request, response) => response.writeHead(isWell ? 200 : 500).end());
    const good = await startServer(answer('ok'));
    const { meshOf } = await import('../support/mesh-of.ts');
    await using mesh = await meshOf(
      {
        orders: {
          endpoints: [bad.address, good.address],
          ...noRetry,
          loadBalancing: { policy: 'round-robin' },
          outlierDetection: { consecutive5xx: 1, baseEjectionMs: 20, maxEjectionMs: 20 },
        },
      },
      { name },
    );
    while (stateOf(mesh, bad.address) === 'healthy') await outcome(mesh);
    isWell = true;
    await eventually('it is back', () => {
      void outcome(mesh);
      return stateOf(mesh, bad.address) === 'healthy';
    });
    assert.deepEqual(events, [
      ['host:ejected', bad.address],
      ['host:returned', bad.address],
    ]);
  });
});

describe('a cluster of which too many are out', () => {
  it('is in panic: all are used, since spreading the load is the lesser evil', async () => {
    const servers = [
      await startServer((_request, response) => response.writeHead(500).end()),
      await startServer((_request, response) => response.writeHead(500).end()),
      await startServer((_request, response) => response.writeHead(500).end()),
    ];
    await using mesh = await ordersAt(
      servers.map(({ address }) => address),
      {
        ...noRetry,
        loadBalancing: { policy: 'round-robin' },
        outlierDetection: { consecutive5xx: 1, maxEjectionPercent: 100, baseEjectionMs: 60_000, maxEjectionMs: 60_000 },
      },
    );
    for (let index = 0; index < 12; index++) assert.equal(await outcome(mesh), '500');
    const [cluster] = mesh.status().clusters;
    assert.equal(cluster!.panic, true);
    for (const { requests } of servers) assert.ok(requests.length > 1, 'each is used although it was ejected');
  });

  it('never has more out than maxEjectionPercent, but one may always be', async () => {
    const servers = await Promise.all(
      Array.from({ length: 4 }, () => startServer((_request, response) => response.writeHead(500).end())),
    );
    await using mesh = await ordersAt(
      servers.map(({ address }) => address),
      {
        ...noRetry,
        loadBalancing: { policy: 'round-robin' },
        outlierDetection: { consecutive5xx: 1, maxEjectionPercent: 10, baseEjectionMs: 60_000, maxEjectionMs: 60_000 },
      },
    );
    for (let index = 0; index < 12; index++) await outcome(mesh);
    const out = mesh
      .status()
      .clusters.flatMap(({ endpoints }) => endpoints)
      .filter(({ state }) => state === 'outlier');
    assert.equal(out.length, 1);
  });
});

describe('a circuit breaker', () => {
  const breaker = { circuitBreaker: { errorThresholdPercent: 50, minimumRequests: 4, openMs: 120 } };
  const noEjection = { outlierDetection: { consecutive5xx: 0, consecutiveGatewayFailure: 0 } };

  it('opens at its threshold, fails fast, lets one probe through, and closes when that succeeds', async () => {
    let status = 500;
    const waiting: ServerResponse[] = [];
    let holds = false;
    const server = await startServer((_request, response) => {
      if (holds) waiting.push(response);
      else response.writeHead(status).end();
    });
    await using mesh = await ordersAt([server.address], { ...noRetry, ...breaker, ...noEjection });
    for (let index = 0; index < 4; index++) assert.equal(await outcome(mesh), '500');
    assert.equal(stateOf(mesh, server.address), 'circuit');
    for (let index = 0; index < 5; index++) assert.equal(await outcome(mesh), 'MESH_CIRCUIT_OPEN');
    assert.equal(server.requests.length, 4, 'nothing is sent while it is open');

    status = 200;
    holds = true;
    let probe: Promise<string> | undefined;
    await eventually('a probe is let through', () => {
      const each = outcome(mesh);
      probe ??= each;
      if (server.requests.length === 4) probe = undefined;
      return server.requests.length > 4;
    });
    assert.equal(server.requests.length, 5);
    assert.equal(await outcome(mesh), 'MESH_CIRCUIT_OPEN', 'others fail fast while the probe runs');
    holds = false;
    waiting[0]!.end();
    await eventually('it is closed', () => stateOf(mesh, server.address) === 'healthy');
    assert.equal(await outcome(mesh), '200');
  });

  it('opens again when the probe fails', async () => {
    const server = await startServer((_request, response) => response.writeHead(500).end());
    await using mesh = await ordersAt([server.address], { ...noRetry, ...breaker, ...noEjection });
    for (let index = 0; index < 4; index++) await outcome(mesh);
    const codes: string[] = [];
    await eventually('the probe was sent', () => {
      void outcome(mesh).then((code) => codes.push(code));
      return server.requests.length === 5;
    });
    await eventually('the probe has failed', () => codes.includes('500'));
    assert.equal(stateOf(mesh, server.address), 'circuit');
    assert.equal(await outcome(mesh), 'MESH_CIRCUIT_OPEN');
    assert.equal(server.requests.length, 5);
  });

  it('of one host leaves the others alone, and is respected in panic', async () => {
    const bad = await startServer((_request, response) => response.writeHead(500).end());
    const good = await startServer(answer('ok'));
    await using mesh = await ordersAt([bad.address, good.address], {
      ...noRetry,
      ...breaker,
      ...noEjection,
      loadBalancing: { policy: 'round-robin' },
    });
    while (stateOf(mesh, bad.address) === 'healthy') await outcome(mesh);
    const before = bad.requests.length;
    for (let index = 0; index < 10; index++) assert.equal(await outcome(mesh), '200');
    assert.equal(bad.requests.length, before);
  });

  it('is not opened by callers that give up, or by what this process refuses', async () => {
    const server = await startServer(() => {});
    await using mesh = await ordersAt([server.address], {
      ...noRetry,
      ...breaker,
      ...noEjection,
      limits: { maxRequests: 5 },
    });
    const caller = new AbortController();
    const all = Array.from({ length: 10 }, () =>
      request('http://orders/', { dispatcher: mesh.dispatcher, signal: caller.signal }).catch((error: unknown) => error),
    );
    await eventually('five are there', () => server.requests.length === 5);
    caller.abort();
    await Promise.all(all);
    assert.equal(stateOf(mesh, server.address), 'healthy');
  });
});
