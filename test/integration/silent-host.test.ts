/** A host that takes requests and answers none, on real sockets and with the safe defaults: no timeout is there to find it. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { isMeshError, type Mesh } from 'meshfetch';
import { listenHttp2 } from '../support/listen-http2.ts';
import { eventually, ordersAt, type ServiceInput } from '../support/mesh-of.ts';
import { startServer, type TestServer } from '../support/servers.ts';
import { steadyLoad } from '../support/steady-load.ts';

type AskOptions = { readonly method?: 'POST'; readonly body?: string; readonly signal?: AbortSignal };

const ask = async (mesh: Mesh, path = '/', options: AskOptions = {}): Promise<number> => {
  const response = await request(`http://orders${path}`, { dispatcher: mesh.dispatcher, ...options });
  await response.body.dump();
  return response.statusCode;
};

const stateOf = (mesh: Mesh, address: string): string =>
  mesh
    .status()
    .clusters.flatMap(({ endpoints }) => endpoints)
    .find((endpoint) => endpoint.address === address)!.state;

const statesOf = (mesh: Mesh): string[] => mesh.status().clusters[0]!.endpoints.map(({ state }) => state);

/** A service that answers after a few milliseconds, unless `isHeld` says that it never does. */
async function startServers(count: number, isHeld: (index: number, incoming: IncomingMessage) => boolean): Promise<TestServer[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      startServer((incoming, response) => {
        incoming.resume().on('end', () => {
          if (!isHeld(index, incoming)) setTimeout(() => response.end('ok'), 3 + 4 * Math.random());
        });
      }),
    ),
  );
}

/** Enough answers to know how long they take: one after the other on `width` lanes. */
async function warm(mesh: Mesh, requests: number, width = 4): Promise<void> {
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let index = 0; index < requests / width; index++) assert.equal(await ask(mesh), 200);
    }),
  );
}

describe('a host that takes requests and answers none', () => {
  for (const policy of ['least-request', 'round-robin'] as const)
    it(`is out within a second at 80 requests a second, and others answer what waits on it (${policy})`, async () => {
      let silent = -1;
      const servers = await startServers(5, (index) => index === silent);
      await using mesh = await ordersAt(
        servers.map(({ address }) => address),
        { loadBalancing: { policy } },
      );
      await warm(mesh, 400);
      silent = 2;
      const before = servers[2]!.requests.length;
      const load = steadyLoad(80, () => ask(mesh));
      const startMs = performance.now();
      await eventually('it is out', () => stateOf(mesh, servers[2]!.address) === 'outlier', 3000);
      const outMs = performance.now() - startMs;
      const { ok, failures } = await load.stop();
      assert.ok(outMs < 1500, `out after ${outMs} ms`);
      assert.deepEqual(failures, []);
      assert.ok(ok > 0);
      assert.ok(servers[2]!.requests.length - before >= 3, 'no two requests take a host out');
      assert.deepEqual(statesOf(mesh).toSorted(), ['healthy', 'healthy', 'healthy', 'healthy', 'outlier']);
    });

  it('is found by callers that wait for less than it takes to find it', async () => {
    let silent = -1;
    const servers = await startServers(5, (index) => index === silent);
    await using mesh = await ordersAt(servers.map(({ address }) => address));
    await warm(mesh, 400);
    silent = 2;
    const load = steadyLoad(80, () => ask(mesh, '/', { signal: AbortSignal.timeout(120) }));
    await eventually('it is out', () => stateOf(mesh, servers[2]!.address) === 'outlier', 3000);
    const { ok, failures } = await load.stop();
    assert.ok(ok > failures.length);
  });

  it('keeps a POST that it may have acted on: that is sent to nobody else', async () => {
    let silent = -1;
    const held: (() => void)[] = [];
    const servers = await Promise.all(
      Array.from({ length: 3 }, (_, index) =>
        startServer((incoming, response: ServerResponse) => {
          incoming.resume().on('end', () => {
            if (index === silent) held.push(() => response.end('late'));
            else setTimeout(() => response.end('ok'), 3);
          });
        }),
      ),
    );
    await using mesh = await ordersAt(
      servers.map(({ address }) => address),
      { loadBalancing: { policy: 'round-robin' } },
    );
    await warm(mesh, 300);
    silent = 1;
    const posts = Array.from({ length: 9 }, (_, index) => ask(mesh, `/post-${index}`, { method: 'POST', body: 'once' }));
    const load = steadyLoad(50, () => ask(mesh));
    await eventually('it is out', () => stateOf(mesh, servers[1]!.address) === 'outlier', 3000);
    assert.deepEqual((await load.stop()).failures, []);
    for (const answer of held) answer();
    assert.deepEqual(
      await Promise.all(posts),
      posts.map(() => 200),
    );
    const seen = servers.flatMap(({ requests }) => requests.map(({ url }) => url)).filter((url) => url.startsWith('/post-'));
    assert.equal(seen.length, 9);
    assert.equal(new Set(seen).size, 9);
  });

  it('keeps what the retry budget does not let go elsewhere, and that is answered when the host answers', async () => {
    let isHeld = false;
    const held: (() => void)[] = [];
    const servers = await Promise.all(
      Array.from({ length: 3 }, (_, index) =>
        startServer((_incoming, response) => {
          if (index === 1 && isHeld) held.push(() => response.end('late'));
          else setTimeout(() => response.end('ok'), 3);
        }),
      ),
    );
    await using mesh = await ordersAt(
      servers.map(({ address }) => address),
      { loadBalancing: { policy: 'round-robin' }, retry: { maxAttempts: 2, budget: { ratio: 0, minTokens: 0 } } },
    );
    await warm(mesh, 300);
    isHeld = true;
    const load = steadyLoad(60, () => ask(mesh));
    await eventually('it is out', () => stateOf(mesh, servers[1]!.address) === 'outlier', 3000);
    const before = load.sent();
    await eventually('a few looks have passed', () => load.sent() > before + 20);
    for (const answer of held) answer();
    const { failures, ok } = await load.stop();
    assert.deepEqual(failures, []);
    assert.equal(ok, load.sent());
  });

  it('is found over HTTP/2 too, where all of its requests share a connection', async () => {
    let silent = -1;
    const addresses = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        const server = createHttp2Server((_incoming: Http2ServerRequest, response: Http2ServerResponse) => {
          if (index !== silent) setTimeout(() => response.end('ok'), 3);
        });
        return (await listenHttp2(server)).address;
      }),
    );
    await using mesh = await ordersAt(addresses, { protocol: 'http2' });
    await warm(mesh, 400);
    silent = 3;
    const load = steadyLoad(80, () => ask(mesh));
    await eventually('it is out', () => stateOf(mesh, addresses[3]!) === 'outlier', 3000);
    assert.deepEqual((await load.stop()).failures, []);
  });

  it('stays when it is the only one', async () => {
    let isSilent = false;
    const [server] = await startServers(1, () => isSilent);
    await using mesh = await ordersAt([server!.address]);
    await warm(mesh, 200);
    isSilent = true;
    const waiting = Array.from({ length: 10 }, () => ask(mesh, '/', { signal: AbortSignal.timeout(700) }));
    const results = await Promise.allSettled(waiting);
    assert.ok(
      results.every(({ status, ...rest }) => status === 'rejected' && !isMeshError((rest as { reason: unknown }).reason)),
    );
    assert.deepEqual(statesOf(mesh), ['healthy']);
  });
});

describe('a host with requests that take long', () => {
  for (const policy of ['least-request', 'round-robin'] as const)
    it(`stays while it answers others: six long polls, with the traffic of a second (${policy})`, async () => {
      const polls: ServerResponse[] = [];
      const servers = await Promise.all(
        Array.from({ length: 3 }, (_, index) =>
          startServer((incoming, response) => {
            if (index === 0 && incoming.url === '/poll') polls.push(response);
            else setTimeout(() => response.end('ok'), 3);
          }),
        ),
      );
      const service: ServiceInput = { loadBalancing: { policy } };
      await using mesh = await ordersAt(
        servers.map(({ address }) => address),
        service,
      );
      await warm(mesh, 2000, 10);
      const waiting: Promise<number>[] = [];
      while (polls.length < 6) {
        waiting.push(ask(mesh, '/poll'));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const before = servers[0]!.requests.length;
      const load = steadyLoad(60, () => ask(mesh));
      await eventually('a second of traffic', () => load.sent() >= 60);
      assert.deepEqual((await load.stop()).failures, []);
      assert.deepEqual(statesOf(mesh), ['healthy', 'healthy', 'healthy']);
      assert.ok(servers[0]!.requests.length > before, 'it was asked again');
      for (const response of polls) response.end('news');
      assert.ok((await Promise.all(waiting)).every((status) => status === 200));
      const seen = servers.flatMap(({ requests }) => requests).filter(({ url }) => url === '/poll');
      assert.equal(seen.length, waiting.length, 'each poll was sent once');
    });

  it('stays when it is slow on one route alone', async () => {
    const servers = await Promise.all(
      Array.from({ length: 3 }, (_, index) =>
        startServer((incoming, response) => {
          const isReport = incoming.url === '/report';
          setTimeout(() => response.end('ok'), isReport ? (index === 0 ? 600 : 30) : 3);
        }),
      ),
    );
    await using mesh = await ordersAt(
      servers.map(({ address }) => address),
      {
        loadBalancing: { policy: 'round-robin' },
        routes: [
          { name: 'reports', match: { path: { exact: '/report' } } },
          { name: 'rest', match: { path: { prefix: '/' } } },
        ],
      },
    );
    await warm(mesh, 300);
    const load = steadyLoad(90, (index) => ask(mesh, index % 4 === 0 ? '/report' : '/'));
    await eventually('three seconds of traffic', () => load.sent() >= 270);
    assert.deepEqual((await load.stop()).failures, []);
    assert.deepEqual(statesOf(mesh), ['healthy', 'healthy', 'healthy']);
  });
});
