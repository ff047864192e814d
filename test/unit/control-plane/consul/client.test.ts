import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { AddressInfo } from 'node:net';
import { createConsulClient, type HealthQuery } from '../../../../src/control-plane/consul/client.ts';
import { consulSettings, type ConsulOptions } from '../../../../src/control-plane/consul/options.ts';
import { entry, startFakeConsul, type ReceivedQuery } from './fake-consul.ts';

const plain: HealthQuery = { service: 'orders', tags: [], index: 0n, waitMs: 60_000 };

/** Asks once; `act` plays Consul. */
async function ask(act: (query: ReceivedQuery) => void, query: Partial<HealthQuery> = {}, options: ConsulOptions = {}) {
  await using consul = await startFakeConsul();
  const client = createConsulClient(consulSettings({ address: consul.origin, ...options }, {}));
  const answer = client.health({ ...plain, ...query }, new AbortController().signal);
  answer.catch(() => {});
  const received = await consul.next();
  act(received);
  try {
    return { received, answer: await answer };
  } finally {
    await client.close();
  }
}

describe('the Consul client', () => {
  it('asks a plain question for index 0', async () => {
    const { received, answer } = await ask((query) => query.answer([entry(1)], 7));
    assert.equal(received.path, '/v1/health/service/orders');
    assert.equal(received.parameters.size, 0);
    assert.equal(received.headers['x-consul-token'], undefined);
    assert.equal(answer.index, 7n);
    assert.deepEqual(answer.body, [entry(1)]);
    assert.equal(answer.knownLeader, true);
    assert.equal(answer.filteredByAcl, false);
  });

  it('asks a blocking question from an index on, with tags, datacenter and token', async () => {
    const query = { index: 18_446_744_073_709_551_615n, waitMs: 30_000, tags: ['v1', 'a b'], datacenter: 'dc2' };
    const { received } = await ask((query) => query.answer([], 9), query, { token: 'secret-1' });
    assert.deepEqual(
      [...received.parameters],
      [
        ['dc', 'dc2'],
        ['tag', 'v1'],
        ['tag', 'a b'],
        ['index', '18446744073709551615'],
        ['wait', '30000ms'],
      ],
    );
    assert.equal(received.headers['x-consul-token'], 'secret-1');
  });

  it('reads what the headers say of the answer', async () => {
    const headers = {
      'x-consul-knownleader': 'false',
      'x-consul-query-backend': 'blocking-query',
      'x-consul-results-filtered-by-acls': 'true',
      'x-consul-default-acl-policy': 'deny',
    };
    const { answer } = await ask((query) => query.answer([], 9, headers));
    assert.equal(answer.knownLeader, false);
    assert.equal(answer.filteredByAcl, true);
    assert.equal(answer.defaultPolicy, 'deny');
  });

  it('believes in a leader when the streaming backend says that it knows none', async () => {
    const { answer } = await ask((query) =>
      query.answer([], 9, { 'x-consul-knownleader': 'false', 'x-consul-query-backend': 'streaming' }),
    );
    assert.equal(answer.knownLeader, true);
  });

  const failures: readonly {
    name: string;
    act: (query: ReceivedQuery) => void;
    token?: string;
    message: RegExp;
    retryAfter?: string;
  }[] = [
    {
      name: 'no-token',
      act: (query) => query.refuse(403, 'Permission denied'),
      message: /403 "Permission denied".*give a token \(tokenFile, CONSUL_HTTP_TOKEN\).*service:read/,
    },
    {
      name: 'wrong-token',
      act: (query) => query.refuse(403, 'ACL not found'),
      token: 'secret-1',
      message: /403 "ACL not found".*check that the token exists.*node:read/,
    },
    {
      name: 'rate-limit',
      act: (query) => query.refuse(429, 'Your IP is issuing too many concurrent connections', { 'retry-after': '3' }),
      message: /429.*limits/,
      retryAfter: '3',
    },
    { name: 'no-leader', act: (query) => query.refuse(500, 'No cluster leader'), message: /500 "No cluster leader".*election/ },
    { name: 'no-datacenter', act: (query) => query.refuse(500, 'No path to datacenter'), message: /catalog datacenters/ },
    { name: 'not-consul', act: (query) => query.refuse(404, '<html>'), message: /404.*Consul's HTTP API/ },
    {
      name: 'redirect-is-not-followed',
      act: (query) => query.refuse(307, '', { location: 'http://192.0.2.1/' }),
      token: 'secret-1',
      message: /answered 307/,
    },
    { name: 'no-index', act: ({ response }) => response.end('[]'), message: /no X-Consul-Index/ },
    {
      name: 'index-not-a-number',
      act: ({ response }) => response.setHeader('x-consul-index', '-1').end('[]'),
      message: /no X-Consul-Index/,
    },
    {
      name: 'not-json',
      act: ({ response }) => response.setHeader('x-consul-index', '1').end('<html>\u0007'),
      message: /not JSON \("<html>"\)/,
    },
    { name: 'hangs-up', act: ({ response }) => response.destroy(), message: /cannot be reached.*is the agent running/ },
    {
      name: 'breaks-off',
      act: ({ response }) => {
        response.writeHead(200, { 'x-consul-index': '1', 'content-length': '100' });
        response.write('[', () => response.destroy());
      },
      message: /cannot be reached/,
    },
    {
      name: 'too-large',
      act: ({ response }) => {
        response.writeHead(200, { 'x-consul-index': '1' });
        response.on('error', () => {});
        const chunk = Buffer.alloc(1024 * 1024, ' ');
        for (let chunks = 0; chunks < 17; chunks++) response.write(chunk);
        response.end('[]');
      },
      message: /larger than 16 MiB/,
    },
  ];
  for (const { name, act, token, message, retryAfter } of failures) {
    it(`rejects with the reason and the remedy, and without the token (${name})`, async () => {
      await assert.rejects(ask(act, {}, token === undefined ? {} : { token }), (error: unknown) => {
        assert.ok(error instanceof Error && 'code' in error && 'details' in error);
        assert.equal(error.code, 'MESH_CONTROL_PLANE');
        assert.match(error.message, message);
        assert.ok(!error.message.includes('secret-1'));
        if (retryAfter !== undefined) assert.deepEqual(error.details, { status: 429, retryAfter });
        return true;
      });
    });
  }

  it('says that nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const client = createConsulClient(consulSettings({ address: `http://127.0.0.1:${port}` }, {}));
    await assert.rejects(client.health(plain, new AbortController().signal), /ECONNREFUSED.*is the agent running/);
    await client.close();
  });

  it('hangs up at once when a blocking query is aborted', async () => {
    await using consul = await startFakeConsul();
    const client = createConsulClient(consulSettings({ address: consul.origin }, {}));
    const abort = new AbortController();
    const answer = client.health({ ...plain, index: 5n }, abort.signal);
    answer.catch(() => {});
    const { closed } = await consul.next();
    const reason = new Error('over');
    abort.abort(reason);
    await assert.rejects(answer, reason);
    await closed;
    await client.close();
  });

  it('keeps blocking queries below the limit on connections, and asks the others in their turn', async () => {
    await using consul = await startFakeConsul();
    const client = createConsulClient(consulSettings({ address: consul.origin, maxConnections: 2 }, {}));
    const { signal } = new AbortController();
    const answers = [1, 2, 3].map((number) => client.health({ ...plain, service: `s${number}`, index: 5n }, signal));
    const [first] = [await consul.next(), await consul.next()];
    assert.equal(consul.received.length, 2);
    first.answer([], 6);
    const third = await consul.next();
    assert.equal(third.path, '/v1/health/service/s3');
    for (const query of consul.received.slice(1)) query.answer([], 6);
    assert.equal((await Promise.all(answers)).length, 3);
    await client.close();
  });

  it('does not keep a program alive that only watches', async () => {
    await using consul = await startFakeConsul();
    const program = `
      import { createConsulClient } from './src/control-plane/consul/client.ts';
      import { consulSettings } from './src/control-plane/consul/options.ts';
      const client = createConsulClient(consulSettings({ address: process.argv[1] }, {}));
      const query = { service: 'orders', tags: [], waitMs: 300000 };
      const { index } = await client.health({ ...query, index: 0n }, new AbortController().signal);
      const hold = setInterval(() => {}, 1000);
      await client.health({ ...query, index }, new AbortController().signal);
      clearInterval(hold);
      await new Promise((resolve) => setImmediate(resolve));
      // On a connection that was idle in between: undici holds the process for its next request unless told not to.
      client.health({ ...query, index }, new AbortController().signal);
      console.log('watching from ' + index);
    `;
    const ended = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, consul.origin], {
      cwd: new URL('../../../..', import.meta.url).pathname,
      timeout: 20_000,
    });
    (await consul.next()).answer([], 3);
    (await consul.next()).answer([], 3);
    assert.match((await ended).stdout, /watching from 3/);
  });
});
