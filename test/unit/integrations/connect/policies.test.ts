/** The policies of the mesh, as a client of Connect meets them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { Code, ConnectError, createClient, type Client, type HandlerContext } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { isMeshError, type Mesh, type MeshError } from 'meshfetch';
import { meshSessionManager } from 'meshfetch/connect';
import { startTalk, talk, type Talk } from '../../../support/connect-service.ts';
import { eventually, held, meshOf } from '../../../support/mesh-of.ts';
import { closedPort, startServer } from '../../../support/servers.ts';

const transports = {
  grpc: createGrpcTransport,
  'grpc-web': createGrpcWebTransport,
  connect: createConnectTransport,
} as const;

const protocols = Object.keys(transports) as (keyof typeof transports)[];

function clientOf(mesh: Mesh, protocol: keyof typeof transports = 'grpc', baseUrl = 'http://talk'): Client<Talk> {
  const sessionManager = meshSessionManager(mesh, baseUrl);
  return createClient(talk, transports[protocol]({ baseUrl, httpVersion: '2', sessionManager }));
}

async function failureOf(work: Promise<unknown>): Promise<ConnectError & { readonly cause: MeshError }> {
  const error: unknown = await work.then(
    () => assert.fail('the call did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConnectError && isMeshError(error.cause), String(error));
  return error as ConnectError & { readonly cause: MeshError };
}

interface Refusal {
  readonly name: string;
  readonly protocol: keyof typeof transports;
  readonly status: 'in-trailers' | 'alone' | 'http';
  readonly retry?: { readonly nonIdempotent: 'as-configured' };
  readonly init?: { readonly headers: Record<string, string> };
  readonly isRepeated: boolean;
}

async function untilGivenUp({ signal }: HandlerContext): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/** A server that refuses its first call with UNAVAILABLE, in the ways in which servers do. */
async function reluctant(status: 'in-trailers' | 'alone' | 'http'): Promise<{ address: string; calls: () => number }> {
  let calls = 0;
  const routes = connectNodeAdapter({
    routes: (router) =>
      router.service(talk, {
        say: ({ value }) => {
          if (calls === 1) throw new ConnectError('not yet', Code.Unavailable);
          return { value: `${value.length}` };
        },
      }),
  });
  const server = createServer((request, response) => {
    if (++calls === 1 && status === 'alone') {
      response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '14', 'grpc-message': 'not yet' });
      response.end();
    } else routes(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => server.close());
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, calls: () => calls };
}

describe('a call of Connect that the server refuses', () => {
  const on = ['unavailable', '5xx'] as const;
  for (const { name, protocol, status, retry = {}, init, isRepeated } of [
    { name: 'grpc-status-alone', protocol: 'grpc', status: 'alone', isRepeated: true },
    // A response that has begun is the caller's (gRFC A6, "when retries are valid").
    { name: 'grpc-status-in-trailers', protocol: 'grpc', status: 'in-trailers', isRepeated: false },
    // Its status is in the body.
    { name: 'grpc-web', protocol: 'grpc-web', status: 'in-trailers', isRepeated: false },
    // A POST, of which nobody has said that it may be repeated.
    { name: 'connect', protocol: 'connect', status: 'http', isRepeated: false },
    {
      name: 'connect-as-configured',
      protocol: 'connect',
      status: 'http',
      retry: { nonIdempotent: 'as-configured' },
      isRepeated: true,
    },
    {
      name: 'connect-with-a-key',
      protocol: 'connect',
      status: 'http',
      init: { headers: { 'idempotency-key': 'a' } },
      isRepeated: true,
    },
  ] satisfies readonly Refusal[] as readonly Refusal[]) {
    it(`is ${isRepeated ? '' : 'not '}repeated, however large its message is: ${name}`, async () => {
      const server = await reluctant(status);
      await using mesh = await meshOf({
        talk: { endpoints: [server.address], retry: { maxAttempts: 2, on: [...on], ...retry } },
      });
      const work = clientOf(mesh, protocol).say({ value: 'x'.repeat(300_000) }, init);
      if (isRepeated) assert.equal((await work).value, '300000');
      else await assert.rejects(work, { code: Code.Unavailable });
      assert.equal(server.calls(), isRepeated ? 2 : 1);
    });
  }
});

describe('a call of Connect without side effects', () => {
  it('is repeated as every GET is, where it is sent as one', async () => {
    let calls = 0;
    const server = await startTalk({
      look: (_, { requestMethod }) => {
        if (++calls === 1) throw new ConnectError('not yet', Code.Unavailable);
        return { value: requestMethod };
      },
    });
    await using mesh = await meshOf({ talk: { endpoints: [server.address], retry: { maxAttempts: 2, on: ['5xx'] } } });
    const baseUrl = 'http://talk';
    const sessionManager = meshSessionManager(mesh, baseUrl);
    const transport = createConnectTransport({ baseUrl, httpVersion: '2', sessionManager, useHttpGet: true });
    assert.equal((await createClient(talk, transport).look({})).value, 'GET');
    assert.equal(calls, 2);
  });
});

describe('a transport of Connect over HTTP/1.1 with the agent of the mesh', () => {
  for (const [protocol, createTransport] of [
    ['connect', createConnectTransport],
    ['grpc-web', createGrpcWebTransport],
  ] as const) {
    it(`makes unary calls, and streams one way: ${protocol}`, async () => {
      const routes = connectNodeAdapter({
        routes: (router) =>
          router.service(talk, {
            say: ({ value }) => ({ value: `said ${value}` }),
            async *down({ value }) {
              yield* [{ value }, { value: 'end' }];
            },
            async up(requests) {
              let all = '';
              for await (const { value } of requests) all += value;
              return { value: all };
            },
          }),
      });
      const server = await startServer(routes);
      await using mesh = await meshOf({ talk: { endpoints: [server.address] } });
      const transport = createTransport({
        baseUrl: 'http://talk',
        httpVersion: '1.1',
        nodeOptions: { agent: mesh.httpAgent },
      });
      const client = createClient(talk, transport);
      assert.equal((await client.say({ value: 'hi' })).value, 'said hi');
      const values: string[] = [];
      for await (const { value } of client.down({ value: 'begin' })) values.push(value);
      assert.deepEqual(values, ['begin', 'end']);
      const words = async function* (): AsyncGenerator<{ value: string }> {
        yield* [{ value: 'a' }, { value: 'b' }];
      };
      assert.equal((await client.up(words())).value, 'ab');
    });
  }
});

describe('a call of Connect through the mesh', () => {
  for (const protocol of protocols) {
    it(`says Unavailable when no endpoint can be reached, with every attempt in the cause: ${protocol}`, async () => {
      await using mesh = await meshOf({ talk: { endpoints: [`127.0.0.1:${await closedPort()}`] } });
      const { code, cause } = await failureOf(clientOf(mesh, protocol).say({ value: 'x' }));
      assert.equal(code, Code.Unavailable);
      assert.equal(cause.code, 'MESH_CONNECT_FAILED');
      assert.ok(cause.attempts.length > 0);
    });

    it(`says DeadlineExceeded when the time of the route is over, and tells the server: ${protocol}`, async () => {
      let isGivenUp = false;
      const server = await startTalk({
        async say(_, context) {
          await untilGivenUp(context);
          isGivenUp = true;
          return {};
        },
      });
      await using mesh = await meshOf({ talk: { endpoints: [server.address], timeoutMs: 100 } });
      const { code, cause } = await failureOf(clientOf(mesh, protocol).say({ value: 'x' }));
      assert.deepEqual([code, cause.code], [Code.DeadlineExceeded, 'MESH_TIMEOUT']);
      await eventually('the server hears of it', () => isGivenUp);
    });

    it(`holds nothing once it was cancelled in the middle: ${protocol}`, async () => {
      const server = await startTalk({
        async *down(_, context) {
          yield { value: 'one' };
          await untilGivenUp(context);
        },
      });
      await using mesh = await meshOf({ talk: { endpoints: [server.address] } });
      const controller = new AbortController();
      await assert.rejects(
        async () => {
          for await (const { value } of clientOf(mesh, protocol).down({}, { signal: controller.signal })) {
            assert.equal(value, 'one');
            assert.deepEqual(held(mesh), { requests: 1, inFlight: 1 });
            controller.abort();
          }
        },
        new ConnectError('This operation was aborted', Code.Canceled),
      );
      await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
      await eventually('the server holds nothing either', () => server.streams.size === 0);
    });

    it(`goes to each endpoint in turn: ${protocol}`, async () => {
      const counts = [0, 0];
      const servers = await Promise.all(
        counts.map((_, index) => startTalk({ say: () => ({ value: `${(counts[index]! += 1)}` }) })),
      );
      await using mesh = await meshOf({
        talk: { endpoints: servers.map(({ address }) => address), loadBalancing: { policy: 'round-robin' } },
      });
      const client = clientOf(mesh, protocol);
      for (let call = 0; call < 10; call++) await client.say({});
      assert.deepEqual(counts, [5, 5]);
    });

    it(`is routed by the path of its method and by its headers: ${protocol}`, async () => {
      const [stable, canary] = await Promise.all(
        ['stable', 'canary'].map((name) => startTalk({ say: () => ({ value: name }), look: () => ({ value: name }) })),
      );
      await using mesh = await meshOf({
        talk: {
          endpoints: [stable!.address],
          routes: [
            { match: { path: { exact: '/meshfetch.test.Talk/Look' } }, to: [{ service: 'canary' }] },
            { match: { headers: { 'x-canary': 'yes' } }, to: [{ service: 'canary' }] },
            {},
          ],
        },
        canary: { endpoints: [canary!.address] },
      });
      const client = clientOf(mesh, protocol);
      assert.equal((await client.say({})).value, 'stable');
      assert.equal((await client.look({})).value, 'canary');
      assert.equal((await client.say({}, { headers: { 'x-canary': 'yes' } })).value, 'canary');
    });
  }

  it('says Unavailable of a host that nobody knows, and what to do', async () => {
    await using mesh = await meshOf({}, { unknownHosts: 'refuse' });
    const { code, cause } = await failureOf(clientOf(mesh).say({}));
    assert.deepEqual([code, cause.code], [Code.Unavailable, 'MESH_UNKNOWN_HOST']);
    assert.match(cause.remedy, /unknownHosts/);
  });

  it('says Unavailable once the mesh is closed', async () => {
    const mesh = await meshOf({ talk: { endpoints: ['127.0.0.1:1'] } });
    await mesh.close();
    const { code, cause } = await failureOf(clientOf(mesh).say({}));
    assert.deepEqual([code, cause.code], [Code.Unavailable, 'MESH_CLOSED']);
  });

  it('finishes while the mesh is closing', async () => {
    let answer: (() => void) | undefined;
    const server = await startTalk({
      async say() {
        await new Promise<void>((resolve) => (answer = resolve));
        return { value: 'late' };
      },
    });
    const mesh = await meshOf({ talk: { endpoints: [server.address] } }, { drainTimeoutMs: 10_000 });
    const call = clientOf(mesh).say({});
    await eventually('the server has it', () => answer !== undefined);
    const closed = mesh.close();
    answer!();
    assert.equal((await call).value, 'late');
    await closed;
  });

  it('meets the faults that the policy injects', async () => {
    const server = await startTalk({ say: () => ({}) });
    await using mesh = await meshOf({
      talk: { endpoints: [server.address], fault: { abort: { percent: 100, grpcStatus: 8 } } },
    });
    await assert.rejects(clientOf(mesh).say({}), { code: Code.ResourceExhausted });
  });

  it('is refused over gRPC where the service is told to speak HTTP/1.1', async () => {
    await using mesh = await meshOf({ talk: { endpoints: ['127.0.0.1:1'], protocol: 'http1' } });
    const { cause } = await failureOf(clientOf(mesh).say({}));
    assert.match(cause.message, /needs HTTP\/2/);
  });

  for (const protocol of ['connect', 'grpc-web'] as const) {
    it(`goes over HTTP/1.1 where the service is told to speak that: ${protocol}`, async () => {
      const versions: string[] = [];
      const routes = connectNodeAdapter({
        routes: (router) =>
          router.service(talk, {
            say: ({ value }) => ({ value }),
            async *down({ value }) {
              yield* [{ value }, { value: 'end' }];
            },
          }),
      });
      const server = await startServer((request, response) => {
        versions.push(request.httpVersion);
        routes(request, response);
      });
      await using mesh = await meshOf({ talk: { endpoints: [server.address], protocol: 'http1' } });
      const client = clientOf(mesh, protocol);
      assert.equal((await client.say({ value: 'hello' })).value, 'hello');
      const values: string[] = [];
      for await (const { value } of client.down({ value: 'begin' })) values.push(value);
      assert.deepEqual(
        [values, versions],
        [
          ['begin', 'end'],
          ['1.1', '1.1'],
        ],
      );
    });
  }
});
