/** Policies on gRPC calls over real HTTP/2: what is retried, with which headers, and what a status at the end counts for. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { createVirtualClock } from 'meshfetch/testing';
import type { HedgeConfig, RetryConfig } from '../../src/model/policy.ts';
import { answerTrailersOnly, answerWith, beginAnswer, call, framed, startH2c, type H2cServer } from '../support/grpc-exchange.ts';
import { connectionsOf, eventually, held } from '../support/mesh-of.ts';
import { policyMesh } from '../support/policy-mesh.ts';

const unavailable: RetryConfig = {
  maxAttempts: 3,
  on: ['unavailable', 'refused-stream'],
  backoff: { baseMs: 1, maxMs: 1 },
  budget: { kind: 'token-bucket', ratio: 1, minTokens: 100 },
};
const http2 = { cluster: { protocol: 'http2' } } as const;

/** Answers the n-th stream as the n-th script says; the last one serves all that follow. */
function inOrder(...scripts: ((stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void)[]): Promise<H2cServer> {
  let count = 0;
  return startH2c((stream, headers) => scripts[Math.min(count++, scripts.length - 1)]!(stream, headers));
}

const fails =
  (status: number, more: Record<string, string> = {}) =>
  (stream: ServerHttp2Stream): void =>
    answerTrailersOnly(stream, status, more);
const serves = (stream: ServerHttp2Stream): void => answerWith(stream, ['ok']);

describe('a gRPC call that is retried', () => {
  it('says how often it was sent before, and how much of its time is left', async (t) => {
    const server = await inOrder(fails(14), fails(14), serves);
    const clock = createVirtualClock();
    const retry: RetryConfig = { ...unavailable, backoff: { baseMs: 400, maxMs: 400 } };
    const { mesh } = await policyMesh(t, [server.address], { retry }, { ...http2, options: { clock, random: () => 0.5 } });
    const exchange = call(mesh, { headers: { 'grpc-timeout': '2S' } });
    for (let attempt = 2; attempt <= 3; attempt++) {
      await eventually('one has failed', () => server.streams.length === attempt - 1);
      while (server.streams.length < attempt) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        await clock.advance(50);
      }
    }
    assert.equal(await exchange.end.promise, '0');
    const [first, second, third] = server.streams.map(({ headers }) => headers);
    assert.deepEqual(
      [first, second, third].map((headers) => headers!['grpc-previous-rpc-attempts']),
      [undefined, '1', '2'],
    );
    assert.equal(first!['grpc-timeout'], '2S');
    const left = [second, third].map((headers) => Number.parseInt(headers!['grpc-timeout'] as string, 10));
    assert.ok(left[0]! < 2000 && left[1]! < left[0]! && left[1]! > 0, left.join(', '));
  });

  const rows: readonly {
    readonly name: string;
    readonly first: (stream: ServerHttp2Stream) => void;
    readonly attempts: number;
    readonly status: string;
    readonly body?: () => Readable;
    readonly retry?: Partial<RetryConfig>;
  }[] = [
    { name: 'unavailable-in-trailers-only', first: fails(14), attempts: 2, status: '0' },
    { name: 'another-status', first: fails(5), attempts: 1, status: '5' },
    { name: 'no-pushback', first: fails(14, { 'grpc-retry-pushback-ms': '-1' }), attempts: 1, status: '14' },
    { name: 'pushback-of-one', first: fails(14, { 'grpc-retry-pushback-ms': '1' }), attempts: 2, status: '0' },
    {
      name: 'status-after-the-head',
      first: (stream) => answerWith(stream, [], 14),
      attempts: 1, // the head commits the call (gRFC A6)
      status: '14',
    },
    { name: 'status-after-messages', first: (stream) => answerWith(stream, ['part'], 14), attempts: 1, status: '14' },
    {
      name: 'refused-stream',
      first: (stream) => stream.close(7), // REFUSED_STREAM
      attempts: 2,
      status: '0',
    },
    {
      name: 'refused-stream-with-a-body-that-streams',
      first: (stream) => stream.close(7),
      attempts: 2,
      status: '0',
      body: () => Readable.from([framed('one'), framed('two')]),
    },
    {
      name: 'body-longer-than-is-kept',
      first: (stream) => {
        stream.on('data', () => {});
        stream.on('end', () => answerTrailersOnly(stream, 14));
      },
      attempts: 1,
      status: '14',
      body: () => Readable.from([framed('x'.repeat(600)), framed('y'.repeat(600))]),
      retry: { maxBodyBytes: 1000 },
    },
  ];
  for (const { name, first, attempts, status, body, retry } of rows)
    it(`is sent ${attempts} times: ${name}`, async (t) => {
      const server = await inOrder(first, serves);
      const { mesh } = await policyMesh(t, [server.address], { retry: { ...unavailable, ...retry } }, http2);
      const exchange = call(mesh, body === undefined ? {} : { body: body() });
      assert.equal(await exchange.end.promise, status);
      assert.equal(server.streams.length, attempts);
    });

  it('sends the same messages again', async (t) => {
    const bodies: string[] = [];
    const server = await startH2c((stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        bodies.push(Buffer.concat(chunks).toString('latin1'));
        if (bodies.length === 1) answerTrailersOnly(stream, 14);
        else answerWith(stream, ['ok']);
      });
    });
    const { mesh } = await policyMesh(t, [server.address], { retry: unavailable }, http2);
    const exchange = call(mesh, { body: Readable.from([framed('one'), framed('two')]) });
    assert.equal(await exchange.end.promise, '0');
    const whole = Buffer.concat([framed('one'), framed('two')]).toString('latin1');
    assert.deepEqual(bodies, [whole, whole]);
  });
});

describe('a status at the end of a gRPC call', () => {
  it('counts for the retry throttle of its cluster, as one in the head does', async (t) => {
    const server = await startH2c((stream) => answerWith(stream, ['part'], 14));
    const retry: RetryConfig = { ...unavailable, budget: { kind: 'grpc-throttle', maxTokens: 4, tokenRatio: 1 } };
    const { mesh } = await policyMesh(t, [server.address], { retry }, http2);
    const left = (): number | undefined => mesh.status().clusters.find(({ name }) => name === 'orders')?.retryBudgetLeft;
    await call(mesh).end.promise;
    const before = left()!;
    await call(mesh).end.promise;
    assert.ok(left()! < before, `${left()} of ${before}`);
  });

  it('of a success counts for it too, and only then', async (t) => {
    let stream: ServerHttp2Stream | undefined;
    let count = 0;
    const server = await startH2c((opened) => {
      stream = opened;
      if (++count <= 2) answerWith(opened, [], 14);
      else beginAnswer(opened);
    });
    const retry: RetryConfig = { ...unavailable, budget: { kind: 'grpc-throttle', maxTokens: 8, tokenRatio: 1 } };
    const { mesh } = await policyMesh(t, [server.address], { retry }, http2);
    const left = (): number | undefined => mesh.status().clusters.find(({ name }) => name === 'orders')?.retryBudgetLeft;
    for (let failed = 0; failed < 2; failed++) await call(mesh).end.promise;
    const low = left()!;
    const exchange = call(mesh);
    await exchange.head.promise;
    assert.equal(left(), low);
    stream!.end();
    assert.equal(await exchange.end.promise, '0');
    assert.ok(left()! > low);
  });
});

describe('a host whose calls fail in their trailers, after messages', () => {
  const failing = (stream: ServerHttp2Stream): void => answerWith(stream, ['one', 'two'], 14);

  it('is ejected by outlier detection', async (t) => {
    const bad = await startH2c(failing);
    const good = await startH2c(serves);
    const { mesh } = await policyMesh(
      t,
      [bad.address, good.address],
      {},
      {
        cluster: {
          protocol: 'http2',
          outlierDetection: { consecutive5xx: 3, baseEjectionMs: 60_000, maxEjectionMs: 60_000, maxEjectionPercent: 100 },
        },
      },
    );
    const stateOf = (): string | undefined =>
      mesh.status().clusters[0]!.endpoints.find(({ address }) => address === bad.address)?.state;
    for (let count = 0; count < 6; count++) assert.ok(['0', '14'].includes((await call(mesh).end.promise)!));
    await eventually('it is out', () => stateOf() === 'outlier');
    assert.equal(bad.streams.length, 3);
    for (let count = 0; count < 4; count++) assert.equal(await call(mesh).end.promise, '0');
    assert.equal(bad.streams.length, 3);
  });

  it('has its circuit opened', async (t) => {
    const bad = await startH2c(failing);
    const { mesh } = await policyMesh(
      t,
      [bad.address],
      {},
      {
        cluster: {
          protocol: 'http2',
          circuitBreaker: { scope: 'cluster', errorThresholdPercent: 50, minimumRequests: 4, openMs: 60_000, windowMs: 10_000 },
        },
      },
    );
    for (let count = 0; count < 4; count++) assert.equal(await call(mesh).end.promise, '14');
    await assert.rejects(call(mesh).end.promise, { code: 'MESH_CIRCUIT_OPEN' });
    assert.equal(bad.streams.length, 4);
  });
});

describe('a gRPC call that is hedged', () => {
  const hedge: HedgeConfig = { delayMs: 60_000, maxAttempts: 2, nonFatalStatuses: ['UNAVAILABLE'] };
  const rows = [
    { name: 'non-fatal', first: fails(14), attempts: 2, status: '0' },
    { name: 'fatal', first: fails(3), attempts: 1, status: '3' },
  ];
  for (const { name, first, attempts, status } of rows)
    it(`asks the next one at once after a status that is ${name}`, async (t) => {
      const server = await inOrder(first, serves);
      const { mesh } = await policyMesh(t, [server.address], { hedge }, http2);
      assert.equal(await call(mesh).end.promise, status);
      assert.equal(server.streams.length, attempts);
      assert.equal(server.streams.at(-1)!.headers['grpc-previous-rpc-attempts'], attempts === 1 ? undefined : '1');
    });
});

describe('streams of gRPC under a limit of their server', () => {
  it('of one wait, each on its own connection or for the first, and none is lost', async (t) => {
    const server = await startH2c(serves, { maxConcurrentStreams: 1 });
    const { mesh } = await policyMesh(t, [server.address], {}, { cluster: { protocol: 'http2', limits: { maxConnections: 2 } } });
    const statuses = await Promise.all(Array.from({ length: 20 }, () => call(mesh).end.promise));
    assert.deepEqual(new Set(statuses), new Set(['0']));
    assert.ok(server.sessions.length <= 2, `${server.sessions.length} connections`);
  });

  it('of none wait for it over one connection, no longer than one may take to be made', async (t) => {
    const clock = createVirtualClock();
    const server = await startH2c(serves, { maxConcurrentStreams: 0 });
    const cluster = { protocol: 'http2', connectTimeoutMs: 3000 } as const;
    const { mesh } = await policyMesh(t, [server.address], {}, { cluster, options: { clock } });
    const failures = Array.from({ length: 20 }, () =>
      assert.rejects(call(mesh).end.promise, { code: 'MESH_CONNECT_TIMEOUT', mayHaveBeenProcessed: false }),
    );
    await eventually(
      'it has said so',
      () => server.sessions.length === 1 && server.sessions[0]!.localSettings.maxConcurrentStreams === 0,
    );
    await clock.advance(2000);
    assert.equal(server.sessions.length, 1);
    await eventually('all have failed', () => (void clock.advance(1000), held(mesh).requests === 0));
    await Promise.all(failures);
    assert.equal(server.sessions.length, 1, 'nobody opened another one');
    assert.equal(connectionsOf(mesh), 0);
    assert.equal(server.streams.length, 0);
  });

  it('of none for a while are sent when it allows them', async (t) => {
    const server = await startH2c(serves, { maxConcurrentStreams: 0 });
    const { mesh } = await policyMesh(t, [server.address], {}, { cluster: { protocol: 'http2', connectTimeoutMs: 20_000 } });
    const calls = Array.from({ length: 20 }, () => call(mesh));
    await eventually(
      'it has said so',
      () => server.sessions.length === 1 && server.sessions[0]!.localSettings.maxConcurrentStreams === 0,
    );
    server.sessions[0]!.settings({ maxConcurrentStreams: 100 });
    assert.deepEqual(new Set(await Promise.all(calls.map(({ end }) => end.promise))), new Set(['0']));
    assert.equal(server.sessions.length, 1);
  });

  it('of a hundred get a second connection, which serves while the first is full', async (t) => {
    const open: ServerHttp2Stream[] = [];
    const server = await startH2c((stream) => {
      beginAnswer(stream);
      open.push(stream);
    });
    const { mesh } = await policyMesh(t, [server.address], {}, http2);
    const streams = Array.from({ length: 101 }, () => call(mesh));
    await Promise.all(streams.map(({ head }) => head.promise));
    assert.equal(server.sessions.length, 2);
    for (const stream of open) stream.end();
    await Promise.all(streams.map(({ end }) => end.promise));
  });
});
