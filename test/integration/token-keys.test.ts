/** Keys of tokens that an issuer publishes, fetched over a cluster of the mesh: real sockets, the clock of the process. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import { subscribe } from '../../src/telemetry/channels.ts';
import type { EventPayloads } from '../../src/telemetry/events.ts';
import { endpointAt, staticCluster } from '../support/cluster-plane.ts';
import { guardedServer, send, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';
import { ecKey, signToken } from '../support/token-issuer.ts';

const key = ecKey();
const headers = {
  authorization: `Bearer ${signToken(
    { alg: 'ES256', kid: 'one' },
    { iss: 'https://login.example', sub: 'alice', exp: 4_102_444_800 },
    key.sign,
  )}`,
};
const chain: Partial<FilterChainConfig> = {
  jwt: [
    {
      name: 'login',
      issuer: 'https://login.example',
      audiences: [],
      jwks: { kind: 'remote', url: 'http://login.internal/keys', cluster: 'login' },
    },
  ],
};

describe('published keys', () => {
  it('are fetched once, from the cluster that is named, when the first token comes', async (t) => {
    const issuer = await startServer((_request, response) => {
      response.setHeader('cache-control', 'max-age=600').end(JSON.stringify({ keys: [key.jwk({ kid: 'one' })] }));
    });
    const told: EventPayloads['inbound:keys'][] = [];
    t.after(subscribe('inbound:keys', (event) => told.push(event)));
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end('served'));
    await plane.deliver([staticCluster('login', [endpointAt(issuer.address)]), wayIn(chain)]);
    assert.equal((await send(port)).body, 'Jwt is missing');
    assert.equal(issuer.requests.length, 0);
    // The first of them has a caller who does not wait long; the fetch is for all.
    const impatient = { ...headers, 'x-envoy-expected-rq-timeout-ms': '60000' };
    const all = await Promise.all([impatient, headers, headers].map((each) => send(port, '/', { headers: each })));
    assert.deepEqual(
      all.map(({ status, body }) => `${status} ${body}`),
      ['200 served', '200 served', '200 served'],
    );
    const [asked, ...more] = issuer.requests;
    assert.deepEqual([asked?.url, asked?.headers.host, more.length], ['/keys', 'login.internal', 0]);
    assert.equal(asked?.headers['x-envoy-expected-rq-timeout-ms'], undefined);
    // An update of the policy fetches nothing.
    await plane.deliver([wayIn({ ...chain, trustedHops: 1 })]);
    assert.equal((await send(port, '/', { headers })).status, 200);
    assert.equal(issuer.requests.length, 1);
    assert.deepEqual(
      told.map(({ url, error, hasKeys }) => ({ url, error, hasKeys })),
      [{ url: 'http://login.internal/keys', error: undefined, hasKeys: true }],
    );
  });

  it('make no difference to a handler that throws: the process hears of it, of a new token as of a known one', async (t) => {
    const issuer = await startServer((_request, response) => {
      response.end(JSON.stringify({ keys: [key.jwk({ kid: 'one' })] }));
    });
    const { plane, port } = await guardedServer(t, (_request, response) => {
      response.end('served');
      throw new RangeError('of the program');
    });
    await plane.deliver([staticCluster('login', [endpointAt(issuer.address)]), wayIn(chain)]);
    const thrown: unknown[] = [];
    process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error));
    t.after(() => process.setUncaughtExceptionCaptureCallback(null));
    for (const count of [1, 2]) {
      assert.equal((await send(port, '/', { headers })).status, 200);
      await eventually('the process has heard of it', () => thrown.length === count);
      assert.ok(thrown[count - 1] instanceof RangeError);
    }
  });

  const failures = [
    { name: 'a status', answer: { status: 503, body: '' }, error: /^status 503$/ },
    { name: 'a redirect', answer: { status: 302, body: '' }, error: /^status 302$/ },
    {
      name: 'too much',
      answer: { status: 200, body: `{"keys":[],"filler":"${'x'.repeat(70_000)}"}` },
      error: /^more than 65536 bytes$/,
    },
    { name: 'no connection', answer: undefined, error: /./ },
  ];
  for (const { name, answer, error } of failures) {
    it(`that cannot be fetched refuse every token, and say so: ${name}`, async (t) => {
      const issuer = await startServer((_request, response) => {
        response.writeHead(answer!.status, { location: 'http://127.0.0.1:1/' }).end(answer!.body);
      });
      if (answer === undefined) await issuer.kill();
      const told: EventPayloads['inbound:keys'][] = [];
      t.after(subscribe('inbound:keys', (event) => told.push(event)));
      const { plane, port } = await guardedServer(t, (_request, response) => void response.end('served'));
      await plane.deliver([staticCluster('login', [endpointAt(issuer.address)]), wayIn(chain)]);
      for (let times = 0; times < 3; times++) {
        const reply = await send(port, '/', { headers });
        assert.deepEqual([reply.status, reply.body], [401, 'Jwks remote fetch is failed']);
      }
      assert.equal(told.length, 1);
      assert.match(told[0]!.error!, error);
      assert.equal(told[0]!.hasKeys, false);
    });
  }
});
