/** Several attempts of a request at a time, on real sockets: who is asked, whose answer counts, and that nothing stays behind. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { createVirtualClock } from 'meshfetch/testing';
import { request } from 'undici';
import type { HedgeConfig, RetryConfig } from '../../src/model/policy.ts';
import { startH2cServer } from '../support/grpc-exchange.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { ask, errorOf, policyMesh } from '../support/policy-mesh.ts';
import { answer, closedPort, startServer, startTcpServer, type TestServer } from '../support/servers.ts';

const soon: HedgeConfig = { delayMs: 30 };
const onTimeout: HedgeConfig = { onPerTryTimeout: true };
const retries: RetryConfig = { maxAttempts: 2, on: ['5xx', 'reset', 'connect-failure'], backoff: { baseMs: 1, maxMs: 1 } };
const timed: RetryConfig = { ...retries, perTryTimeoutMs: 40 };

/** A server that never answers, and knows how many of its requests were given up. */
async function startSilent(): Promise<TestServer & { readonly givenUp: () => number }> {
  let closed = 0;
  const server = await startServer((_request, response) => {
    response.on('close', () => closed++);
  });
  return Object.assign(server, { givenUp: () => closed });
}

/** Answers after so long. */
function after(delayMs: number, name: string, status = 200): RequestListener {
  return (_request, response) => {
    setTimeout(() => response.writeHead(status).end(name), delayMs);
  };
}

/** Answers when so many requests have come, wherever they came: no attempt is late on a busy machine. */
function together(count: number): (name: string) => RequestListener {
  const answers: (() => void)[] = [];
  return (name) => (_request, response) => {
    answers.push(() => void response.end(name));
    if (answers.length === count) for (const give of answers) give();
  };
}

function addressesOf(servers: readonly { readonly address: string }[]): readonly string[] {
  return servers.map(({ address }) => address);
}

const nothingHeld = { requests: 0, inFlight: 0 };

describe('a hedge by delay', () => {
  it('answers for an endpoint that does not, which is then given up', async (t) => {
    const silent = await startSilent();
    const good = await startServer(answer('good'));
    const { mesh } = await policyMesh(t, [silent.address, good.address], { hedge: soon });
    for (let count = 0; count < 6; count++) assert.equal((await ask(mesh)).body, 'good');
    assert.ok(silent.requests.length >= 2);
    await eventually('the losers were given up', () => silent.givenUp() === silent.requests.length);
    await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
    const failures = mesh.status().clusters.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.failures));
    // To lose is no failure.
    assert.deepEqual(failures, [0, 0]);
  });

  it('is told of as a retry is, by its name', async (t) => {
    const silent = await startSilent();
    const { mesh } = await policyMesh(t, [silent.address], { hedge: soon });
    const events: unknown[] = [];
    const listen = (event: unknown): void => {
      const { mesh: from, reason, retry, maxRetries, delayMs, status, error } = event as Record<string, unknown>;
      if (from === mesh.name) events.push({ reason, retry, maxRetries, delayMs, status, error });
    };
    subscribe('meshfetch:retry:scheduled', listen);
    t.after(() => unsubscribe('meshfetch:retry:scheduled', listen));
    const caller = new AbortController();
    const asked = ask(mesh, { signal: caller.signal });
    await eventually('both are there', () => silent.requests.length === 2);
    caller.abort();
    await assert.rejects(asked);
    assert.deepEqual(events, [{ reason: 'hedge', retry: 1, maxRetries: 1, delayMs: 0, status: undefined, error: undefined }]);
  });

  it('asks nobody else when the first is quick', async (t) => {
    const servers = [await startServer(answer('a')), await startServer(answer('b'))];
    const { mesh } = await policyMesh(t, addressesOf(servers), { hedge: { delayMs: 5000 } });
    for (let count = 0; count < 10; count++) await ask(mesh);
    assert.equal(servers[0]!.requests.length + servers[1]!.requests.length, 10);
  });

  it('of nothing asks all at once, each host once', async (t) => {
    const servers = await Promise.all([30, 60, 90].map((delayMs) => startServer(after(delayMs, String(delayMs)))));
    const { mesh } = await policyMesh(t, addressesOf(servers), { hedge: { delayMs: 0, maxAttempts: 3 } });
    assert.equal((await ask(mesh)).body, '30');
    assert.deepEqual(
      servers.map(({ requests }) => requests.length),
      [1, 1, 1],
    );
    await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
  });

  it('drops an answer that is to be retried while another attempt is open', async (t) => {
    const bad = await startServer(after(60, 'bad', 503));
    const good = await startServer(after(120, 'good'));
    const { mesh } = await policyMesh(t, [bad.address, good.address], {
      hedge: { delayMs: 0 },
      retry: { ...retries, maxAttempts: 1, perTryTimeoutMs: 5000 },
    });
    assert.equal((await ask(mesh)).body, 'good');
    assert.deepEqual([bad.requests.length, good.requests.length], [1, 1]);
  });

  it('asks the next one at once when a connection fails', async (t) => {
    const good = await startServer(answer('good'));
    const { mesh } = await policyMesh(t, [`127.0.0.1:${await closedPort()}`, good.address], { hedge: { delayMs: 10_000 } });
    for (let count = 0; count < 4; count++) assert.equal((await ask(mesh)).body, 'good');
  });

  it('delivers the last answer when all are bad', async (t) => {
    const servers = [await startServer(after(1, 'first', 503)), await startServer(after(60, 'second', 503))];
    const { mesh } = await policyMesh(t, addressesOf(servers), {
      hedge: { delayMs: 0 },
      retry: { ...retries, maxAttempts: 1, perTryTimeoutMs: 5000 },
    });
    assert.deepEqual({ ...(await ask(mesh)), headers: {} }, { status: 503, body: 'second', headers: {} });
    assert.deepEqual(held(mesh), nothingHeld);
  });

  it('fails when no attempt gets an answer, and says which there were', async (t) => {
    const dead = [`127.0.0.1:${await closedPort()}`, `127.0.0.1:${await closedPort()}`];
    const { mesh } = await policyMesh(t, dead, { hedge: { delayMs: 0 } });
    const error = await errorOf(ask(mesh));
    assert.equal(error.code, 'MESH_CONNECT_FAILED');
    assert.equal(error.attempts.length, 2);
    assert.deepEqual(held(mesh), nothingHeld);
  });

  it('ends with the call: both attempts are given up', async (t) => {
    const silent = [await startSilent(), await startSilent()];
    const { mesh } = await policyMesh(t, addressesOf(silent), { hedge: soon });
    const caller = new AbortController();
    const outcome = request('http://orders/', { dispatcher: mesh.dispatcher, signal: caller.signal });
    await eventually('both were asked', () => silent.every(({ requests }) => requests.length === 1));
    caller.abort(new Error('enough'));
    await assert.rejects(outcome, /enough/);
    await eventually('both were given up', () => silent.every(({ givenUp }) => givenUp() === 1));
    assert.deepEqual(held(mesh), nothingHeld);
  });

  it('ends with the time of the route, and both hosts answer for it', async (t) => {
    const silent = [await startSilent(), await startSilent()];
    const clock = createVirtualClock();
    const { mesh } = await policyMesh(t, addressesOf(silent), { hedge: soon, timeoutMs: 120 }, { options: { clock } });
    const asked = (): number => silent[0]!.requests.length + silent[1]!.requests.length;
    const failure = errorOf(ask(mesh));
    await eventually('one was asked', () => asked() === 1);
    await clock.advance(40);
    await eventually('both were asked', () => asked() === 2);
    await clock.advance(100);
    const error = await failure;
    assert.equal(error.code, 'MESH_TIMEOUT');
    assert.equal(error.attempts.length, 2);
    await eventually('nothing is held', () => held(mesh).requests === 0);
    const failures = mesh.status().clusters.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.failures));
    assert.deepEqual(failures, [1, 1]);
  });

  it('stops when the retry budget is spent', async (t) => {
    const servers = [await startServer(after(80, 'a')), await startServer(after(80, 'b'))];
    const budget = { kind: 'concurrent', ratio: 0, minConcurrent: 0 } as const;
    const { mesh } = await policyMesh(t, addressesOf(servers), { hedge: soon, retry: { ...retries, budget } });
    await ask(mesh);
    assert.equal(servers[0]!.requests.length + servers[1]!.requests.length, 1);
  });
});

describe('a request that is hedged', () => {
  const methods: readonly {
    readonly name: string;
    readonly method: 'GET' | 'POST';
    readonly retry?: RetryConfig;
    readonly headers?: Record<string, string>;
    readonly hedge?: HedgeConfig;
    readonly options?: { readonly nonIdempotentRetries: 'never' };
    readonly attempts: number;
  }[] = [
    { name: 'get', method: 'GET', attempts: 2 },
    { name: 'post', method: 'POST', attempts: 1 },
    { name: 'post-with-idempotency-key', method: 'POST', headers: { 'idempotency-key': '1' }, attempts: 2 },
    { name: 'post-as-configured', method: 'POST', retry: { ...retries, nonIdempotent: 'as-configured' }, attempts: 2 },
    {
      name: 'grpc-policy',
      method: 'POST',
      headers: { 'content-type': 'application/grpc' },
      hedge: { delayMs: 20, nonFatalStatuses: ['UNAVAILABLE'] },
      attempts: 2,
    },
    {
      name: 'grpc-policy-in-a-mesh-that-forbids-it',
      method: 'POST',
      headers: { 'content-type': 'application/grpc' },
      hedge: { delayMs: 20, nonFatalStatuses: ['UNAVAILABLE'] },
      options: { nonIdempotentRetries: 'never' },
      attempts: 1,
    },
    {
      name: 'post-as-configured-without-retries',
      method: 'POST',
      retry: { ...retries, maxAttempts: 1, nonIdempotent: 'as-configured' },
      attempts: 2,
    },
    {
      name: 'grpc-as-configured-without-retries',
      method: 'POST',
      headers: { 'content-type': 'application/grpc' },
      retry: { ...retries, maxAttempts: 1, nonIdempotent: 'as-configured' },
      attempts: 2,
    },
    {
      name: 'grpc-policy-that-forbids-it-without-retries',
      method: 'POST',
      headers: { 'content-type': 'application/grpc' },
      hedge: { delayMs: 20, nonFatalStatuses: ['UNAVAILABLE'] },
      retry: { ...retries, maxAttempts: 1, nonIdempotent: 'never' },
      attempts: 1,
    },
    { name: 'get-in-a-mesh-that-forbids-others', method: 'GET', options: { nonIdempotentRetries: 'never' }, attempts: 2 },
  ];
  for (const { name, method, retry, headers = {}, hedge = soon, options = {}, attempts } of methods) {
    it(`is one that may be executed twice: ${name}`, async (t) => {
      const respond = attempts > 1 ? together(attempts) : (of: string) => after(120, of);
      const start = 'content-type' in headers ? startH2cServer : startServer;
      const servers = [await start(respond('a')), await start(respond('b'))];
      const policy = { hedge, ...(retry && { retry }) };
      const { mesh } = await policyMesh(t, addressesOf(servers), policy, { options });
      assert.equal((await ask(mesh, { method, headers, ...(method === 'POST' && { body: 'x' }) })).status, 200);
      assert.equal(servers[0]!.requests.length + servers[1]!.requests.length, attempts);
    });
  }

  it('has the same bytes at each endpoint, also when its body could be read once', async (t) => {
    const bodies: Buffer[] = [];
    const respond = together(2)('done');
    const keep: RequestListener = (incoming, response) => {
      buffer(incoming).then(
        (body) => {
          bodies.push(body);
          respond(incoming, response);
        },
        () => {},
      );
    };
    const servers = [await startServer(keep), await startServer(keep)];
    const clock = createVirtualClock();
    const { mesh } = await policyMesh(t, addressesOf(servers), { hedge: soon }, { options: { clock } });
    const body = Readable.from([Buffer.from('one '), Buffer.from('two')]);
    const answered = ask(mesh, { method: 'PUT', body });
    // There is no hedge while it is still being read.
    await eventually('the first has all of it', () => bodies.length === 1);
    await clock.advance(40);
    assert.equal((await answered).status, 200);
    assert.deepEqual(bodies.map(String), ['one two', 'one two']);
  });

  it('is sent once while its body is still being read', async (t) => {
    const read: RequestListener = (incoming, response) => {
      incoming.resume().on('end', () => response.end('done'));
    };
    const servers = [await startServer(read), await startServer(read)];
    const { mesh } = await policyMesh(t, addressesOf(servers), { hedge: { delayMs: 1 } });
    const slow = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('one');
      await new Promise((resolve) => setTimeout(resolve, 60));
      yield Buffer.from('two');
    };
    assert.equal((await ask(mesh, { method: 'PUT', body: Readable.from(slow()) })).body, 'done');
    assert.equal(servers.flatMap(({ requests }) => requests).length, 1);
  });
});

describe('a hedge on a per-try timeout', () => {
  it('leaves the late attempt running, whose answer counts when it comes first', async (t) => {
    const late = await startServer(after(120, 'late'));
    const silent = await startSilent();
    const { mesh } = await policyMesh(t, [late.address, silent.address], { hedge: onTimeout, retry: timed, timeoutMs: 5000 });
    for (let count = 0; count < 4; count++) assert.equal((await ask(mesh)).body, 'late');
    await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
    // Its time was over, whatever came later: detection has counted it.
    const failures = mesh.status().clusters.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.failures));
    assert.ok(
      failures.every((count) => count > 0),
      failures.join(),
    );
  });

  it('needs no condition of the policy, as in Envoy', async (t) => {
    const silent = await startSilent();
    const good = await startServer(answer('good'));
    const { mesh } = await policyMesh(t, [silent.address, good.address], {
      hedge: onTimeout,
      retry: { ...timed, on: ['refused-stream'] },
    });
    for (let count = 0; count < 4; count++) assert.equal((await ask(mesh)).body, 'good');
    assert.ok(silent.requests.length > 0);
  });

  it('waits for the late attempt when the next one gets a bad answer and none is left', async (t) => {
    const late = await startServer(after(150, 'late'));
    const bad = await startServer((_request, response) => response.writeHead(503).end('bad'));
    const { mesh } = await policyMesh(t, [late.address, bad.address], { hedge: onTimeout, retry: timed });
    for (let count = 0; count < 4; count++) {
      const { status } = await ask(mesh);
      // Asked first, the bad one was retried at the other, whose time was over with no attempt left.
      assert.equal(status, 200);
    }
    assert.ok(bad.requests.length > 0);
  });

  it('fails with the time of the route when every attempt is silent', async (t) => {
    const silent = [await startSilent(), await startSilent()];
    const { mesh } = await policyMesh(t, addressesOf(silent), { hedge: onTimeout, retry: timed, timeoutMs: 200 });
    const error = await errorOf(ask(mesh));
    assert.equal(error.code, 'MESH_TIMEOUT');
    assert.deepEqual(
      silent.map(({ requests }) => requests.length),
      [1, 1],
    );
    await eventually('both were given up', () => silent.every(({ givenUp }) => givenUp() === 1));
    assert.deepEqual(held(mesh), nothingHeld);
  });
});

describe('a request with hedges and retries', () => {
  it('has one attempt after another whose times are over, and none after its end', async (t) => {
    const clock = createVirtualClock();
    const good = after(1, 'good');
    let answers = false;
    const server = await startServer((incoming, response) => {
      if (answers) good(incoming, response);
      else incoming.resume();
    });
    const backoff = { baseMs: 150, maxMs: 150, jitterRatio: 0 };
    const { mesh } = await policyMesh(
      t,
      [server.address],
      { hedge: onTimeout, retry: { maxAttempts: 3, on: ['5xx'], perTryTimeoutMs: 50, perTryIdleTimeoutMs: 60, backoff } },
      { options: { clock } },
    );
    const heard: string[] = [];
    mesh.dispatcher.dispatch(
      { origin: 'http://orders', path: '/', method: 'PUT', body: 'v1' },
      {
        onRequestStart() {},
        onResponseStart: () => void heard.push('head'),
        onResponseData: () => void heard.push('data'),
        onResponseEnd: () => void heard.push('end'),
        onResponseError: (_controller, error) => void heard.push(error.message),
      },
    );
    await eventually('it was sent', () => server.requests.length === 1);
    // Both times of the first attempt are over, one after the other: one retry waits.
    for (let count = 0; count < 100; count++) await clock.advance(1);
    assert.equal(server.requests.length, 1);
    answers = true;
    for (let count = 0; count < 90; count++) await clock.advance(1);
    // So slowly that the answer is there before a second loop would go on.
    const moving = setInterval(() => void clock.advance(1), 10);
    await eventually('it was answered', () => heard.includes('end'));
    clearInterval(moving);
    for (let count = 0; count < 1000; count += 10) await clock.advance(10);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(heard, ['head', 'data', 'end']);
    assert.equal(server.requests.length, 2);
    assert.deepEqual(held(mesh), nothingHeld);
  });

  it('has no more attempts than its retry policy allows', async (t) => {
    const clock = createVirtualClock();
    const pending: { end: (status: number) => void }[] = [];
    const server = await startServer((_request, response) => {
      pending.push({ end: (status) => response.writeHead(status).end() });
    });
    const backoff = { baseMs: 100, maxMs: 100, jitterRatio: 0 };
    const { mesh } = await policyMesh(
      t,
      [server.address],
      { hedge: { delayMs: 10, onPerTryTimeout: true }, retry: { ...timed, maxAttempts: 3, perTryTimeoutMs: 1000, backoff } },
      { options: { clock } },
    );
    const answered = ask(mesh);
    await eventually('it was sent', () => pending.length === 1);
    await clock.advance(10);
    await eventually('it was hedged', () => pending.length === 2);
    pending[1]!.end(503);
    // The retry of the hedge waits while the first attempt fails too: one loop, and one more attempt.
    await eventually('one is left', () => held(mesh).requests === 1);
    pending[0]!.end(503);
    await eventually('none is left', () => held(mesh).requests === 0);
    for (let count = 0; count < 100; count++) await clock.advance(1);
    await eventually('it was retried', () => pending.length === 3);
    pending[2]!.end(200);
    assert.equal((await answered).status, 200);
    await clock.advance(2000);
    assert.equal(server.requests.length, 3);
    assert.deepEqual(held(mesh), nothingHeld);
  });
});

describe('a backup request', () => {
  it('answers for the few that are slow, and adds no more load than it may', async (t) => {
    const clock = createVirtualClock();
    let isSlow = false;
    let slow = 0;
    const listener: RequestListener = (_request, response) => {
      if (isSlow && ++slow % 2 === 1) return;
      response.end('quick');
    };
    const servers = [await startServer(listener), await startServer(listener)];
    const { mesh } = await policyMesh(
      t,
      addressesOf(servers),
      { hedge: { backup: { maxExtraLoadPercent: 5 } } },
      { options: { clock } },
    );
    const arrived = (): number => servers[0]!.requests.length + servers[1]!.requests.length;
    for (let count = 0; count < 40; count++) await ask(mesh);
    assert.equal(arrived(), 40);
    // The percentile is that of finished slices of three seconds.
    await clock.advance(3100);
    isSlow = true;
    for (const backups of [1, 2]) {
      const answered = ask(mesh);
      await eventually('it was sent', () => arrived() === 40 + 2 * backups - 1);
      await clock.advance(5);
      assert.equal((await answered).body, 'quick');
      assert.equal(arrived(), 40 + 2 * backups);
    }
    // 42 × 5 % = 2.1 backups were earned, and are spent.
    const caller = new AbortController();
    const late = request('http://orders/', { dispatcher: mesh.dispatcher, signal: caller.signal });
    await eventually('it was sent', () => arrived() === 45);
    await clock.advance(1000);
    assert.equal(arrived(), 45);
    caller.abort(new Error('enough'));
    await assert.rejects(late, /enough/);
  });
});

describe('the response of a hedged request', () => {
  const kinds: readonly { readonly name: string; readonly hedge: HedgeConfig }[] = [
    { name: 'delay', hedge: { delayMs: 5000 } },
    { name: 'on-per-try-timeout', hedge: onTimeout },
    { name: 'backup', hedge: { backup: { maxExtraLoadPercent: 5 } } },
  ];
  for (const { name, hedge } of kinds)
    for (const end of ['abort', 'timeout'] as const)
      it(`is given up with the call in the middle of its body: ${name}, ${end}`, async (t) => {
        let closed = 0;
        const endless = await startServer((_request, response) => {
          response.write('the first part');
          response.on('close', () => closed++);
        });
        const { mesh } = await policyMesh(t, [endless.address], { hedge, ...(end === 'timeout' && { timeoutMs: 150 }) });
        const caller = new AbortController();
        const { body } = await request('http://orders/', { dispatcher: mesh.dispatcher, signal: caller.signal });
        const read = body.text();
        if (end === 'abort') caller.abort(new Error('enough'));
        await assert.rejects(read);
        await eventually('it was given up', () => closed === 1);
        assert.deepEqual(held(mesh), nothingHeld);
      });
});

describe('many hedged requests that are given up', () => {
  it('leave nothing behind', async (t) => {
    const peer = await startTcpServer((socket) => socket.resume());
    const { mesh } = await policyMesh(t, [peer.address, peer.address], { hedge: { delayMs: 1 } });
    const before = process.getActiveResourcesInfo().length;
    for (let round = 0; round < 10; round++) {
      const caller = new AbortController();
      const all = Array.from({ length: 50 }, () =>
        request('http://orders/', { dispatcher: mesh.dispatcher, signal: caller.signal }).catch((error: unknown) => error),
      );
      await new Promise((resolve) => setTimeout(resolve, round));
      caller.abort(new Error('enough'));
      await Promise.all(all);
    }
    await eventually('everything is released', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
    await eventually('no resource is left', () => process.getActiveResourcesInfo().length <= before + 2);
  });
});
