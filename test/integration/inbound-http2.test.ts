/** The way in over HTTP/2, for handlers that get objects of HTTP/1.1 and for those that get Node's own. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type ListenOptions, type Mesh, type RequestListener } from 'meshfetch';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';
import { answer, startServer } from '../support/servers.ts';

interface Http2Reply {
  readonly headers: IncomingHttpHeaders & { readonly ':status'?: number | undefined };
  readonly body: string;
}

/** A port with a policy, and a client that speaks HTTP/2 to it from the first byte. */
async function http2Port(
  t: TestContext,
  http2: ListenOptions['http2'],
  chain: Partial<FilterChainConfig>,
  handler: (mesh: Mesh) => RequestListener,
): Promise<{
  readonly mesh: Mesh;
  readonly plane: TestControlPlane;
  readonly ask: (path: string, headers?: Record<string, string>, body?: string) => Promise<Http2Reply>;
}> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  const server = await mesh.listen((request, response) => handler(mesh)(request, response), {
    port: 0,
    host: '127.0.0.1',
    ...(http2 !== undefined && { http2 }),
  });
  await plane.deliver([wayIn(chain)]);
  const client = connect(`http://127.0.0.1:${server.port}`);
  t.after(async () => {
    client.destroy();
    await mesh.close();
  });
  const ask = (path: string, headers: Record<string, string> = {}, body?: string): Promise<Http2Reply> =>
    new Promise((resolve, reject) => {
      const stream = client.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST', ...headers });
      let head: IncomingHttpHeaders = {};
      let text = '';
      stream.on('response', (received) => (head = received));
      stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      stream.on('error', reject).on('end', () => resolve({ headers: head, body: text }));
      stream.end(body);
    });
  return { mesh, plane, ask };
}

for (const http2 of ['bridge', 'native'] as const)
  describe(`the way in over HTTP/2 (${http2})`, () => {
    const denied = policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }]);

    it('authorizes the path that the handler gets', async (t) => {
      const seen: unknown[] = [];
      const { ask } = await http2Port(t, http2, { authorization: [denied] }, () => (request, response) => {
        seen.push([request.url, request.headers[':path']]);
        response.end('hello');
      });
      const refused = await ask('//x/../admin');
      assert.deepEqual([refused.headers[':status'], refused.body], [403, 'RBAC: access denied']);
      assert.equal((await ask('/x/..//orders?q=1')).body, 'hello');
      assert.deepEqual(seen, [['/orders?q=1', http2 === 'native' ? '/orders?q=1' : undefined]]);
    });

    it('leaves method, path and authority to a handler whose headers a route has edited', async (t) => {
      const seen: unknown[] = [];
      const chain: Partial<FilterChainConfig> = {
        policy: { requestHeaders: { set: [['x-route', 'edited']] } },
        routes: {
          name: 'in',
          virtualHosts: [
            {
              name: 'all',
              domains: ['*'],
              routes: [
                {
                  name: 'api',
                  match: { path: { kind: 'prefix', value: '/api/' } },
                  action: {
                    kind: 'forward',
                    to: [{ cluster: 'program', weight: 1 }],
                    pathRewrite: { kind: 'prefix', prefix: '/' },
                  },
                },
              ],
            },
          ],
        },
      };
      const { ask } = await http2Port(t, http2, chain, () => (request, response) => {
        const { url, method, headers } = request;
        seen.push([url, method, headers['x-route'], (headers.host ?? headers[':authority']) !== undefined]);
        response.end('hello');
      });
      assert.equal((await ask('/api/orders?q=1')).body, 'hello');
      assert.deepEqual(seen, [['/orders?q=1', 'GET', 'edited', true]]);
    });

    for (const [name, body] of [
      ['no-body', undefined],
      ['empty-body', ''],
      ['body', 'abc'],
    ] as const)
      it(`ends a request that an authorizer has read first: ${name}`, async (t) => {
        const gate = await startServer((request, response) => request.resume().on('end', () => response.end()));
        const { plane, ask } = await http2Port(t, http2, {}, () => (request, response) => {
          let text = '';
          request.on('data', (chunk) => (text += String(chunk))).on('end', () => response.end(`all of "${text}"`));
        });
        const authorizer = { name: 'gate', protocol: 'http', cluster: 'gate', timeoutMs: 5000, maxBodyBytes: 100 } as const;
        await plane.deliver([
          staticCluster('gate', [endpointAt(gate.address)]),
          wayIn({
            externalAuthorizers: [authorizer],
            authorization: [policyOf('custom', [{ kind: 'any' }], { provider: 'gate' })],
          }),
        ]);
        assert.equal((await ask('/', {}, body)).body, `all of "${body ?? ''}"`);
      });

    it('changes the head of a response, whoever writes it', async (t) => {
      const chain: Partial<FilterChainConfig> = {
        serverHeader: 'mesh',
        admission: { maxRequests: 10 },
        policy: { responseHeaders: { remove: ['x-gone'], add: [['x-added', '1']] } },
        authorization: [denied],
      };
      const { mesh, ask } = await http2Port(t, http2, chain, () => (_request, response) => {
        response.writeHead(201, { 'x-gone': '1', 'x-own': '2' });
        response.end('made');
      });
      const { headers, body } = await ask('/');
      assert.deepEqual([headers[':status'], body], [201, 'made']);
      assert.deepEqual(
        [headers['server'], headers['x-gone'], headers['x-own'], headers['x-added']],
        ['mesh', undefined, '2', '1'],
      );
      assert.equal((await ask('/admin')).headers['server'], 'mesh');
      await eventually('nothing is under way', () => mesh.status().inbound[0]!.requestsInFlight === 0);
    });

    it('is refused in plaintext under strict, without a header that HTTP/2 does not have', async (t) => {
      const { plane, ask } = await http2Port(t, http2, {}, () => () => assert.fail('the handler must not see it'));
      await plane.deliver([wayIn({}, { mode: 'strict' })]);
      const { headers, body } = await ask('/');
      assert.deepEqual([headers[':status'], headers['connection'], body], [403, undefined, 'this port takes mutual TLS only']);
    });

    it('hands on what the policy names when the body has ended', async (t) => {
      const upstream = await startServer(answer('real'));
      const relay =
        (mesh: Mesh): RequestListener =>
        (request: IncomingMessage, response) =>
          void request.resume().on('end', () => {
            void mesh
              .fetch('http://orders/')
              .then((reply) => reply.text())
              .then((text) => response.end(text));
          });
      const { plane, ask } = await http2Port(t, http2, {}, relay);
      await plane.deliver([
        allTo('orders', 'orders'),
        staticCluster('orders', [endpointAt(upstream.address)]),
        wayIn({ forwardHeaders: ['x-canary'] }),
      ]);
      assert.equal((await ask('/', { 'x-canary': 'blue' }, 'a body')).body, 'real');
      assert.equal(upstream.requests[0]!.headers['x-canary'], 'blue');
    });
  });
