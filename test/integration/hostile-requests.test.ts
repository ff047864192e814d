/**
 * Requests that are meant to be read in two ways, byte for byte on sockets: by a port of the mesh's own, and by a server of `node:http`
 * whose requests pass the door of a mesh. The rule is `DENY /admin*`: whatever the handler gets, it is never an admin path.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server, type OutgoingHttpHeaders } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { InboundServer } from '../../src/data-plane/listen/listen-options.ts';
import type { InboundRequest, InboundResponse } from '../../src/model/inbound.ts';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { guardedServer, policyOf, wayIn } from '../support/inbound.ts';

/** What the handler got. */
interface Handled {
  readonly url: string | undefined;
  readonly method: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly distinct: IncomingMessage['headersDistinct'];
}

const handled: Handled[] = [];
const handler: RequestListener = (request, response) => {
  const { url, method, headers, headersDistinct } = request;
  handled.push({ url, method, headers, distinct: headersDistinct });
  response.end('handled');
};
const chain = wayIn({
  authorization: [
    policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin', ignoreCase: true } }]),
    policyOf('deny', [{ kind: 'header', header: { name: ':authority', match: { kind: 'exact', value: 'internal' } } }], {
      name: 'host',
    }),
    policyOf('deny', [{ kind: 'header', header: { name: 'x-role', match: { kind: 'exact', value: 'admin' } } }], {
      name: 'role',
    }),
    policyOf('deny', [{ kind: 'method', match: { kind: 'exact', value: 'DELETE' } }], { name: 'method' }),
  ],
});

/** The status of each response until the connection is closed; whoever does not close is cut off after the last. */
function statusesOf(port: number, text: string, count = 1): Promise<readonly number[]> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let received = '';
    const statuses = (): readonly number[] => [...received.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (statuses().length >= count && received.endsWith('handled')) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(statuses()));
  });
}

const lines = (...all: readonly string[]): string => `${all.join('\r\n')}\r\n\r\n`;
const close = 'Connection: close';
const get = (target: string, ...headers: readonly string[]): string =>
  lines(`GET ${target} HTTP/1.1`, 'Host: orders', close, ...headers);

/** `handler` = what of the request it gets, where it is let in. */
interface Row {
  readonly name: string;
  readonly text: string;
  readonly status: number;
  readonly check?: (handled: Handled) => void;
}

const rows: readonly Row[] = [
  { name: 'T-PATH merged-slashes', text: get('//admin'), status: 403 },
  { name: 'T-PATH dot-segments', text: get('/x/../admin'), status: 403 },
  { name: 'T-PATH encoded-dot-segments', text: get('/x/%2e%2e/admin'), status: 403 },
  { name: 'T-PATH encoded-letter', text: get('/%61dmin'), status: 403 },
  { name: 'T-PATH backslash', text: get('/x\\..\\admin'), status: 403 },
  { name: 'T-PATH parameters-of-a-dot-segment', text: get('/x/..;/admin'), status: 403 },
  { name: 'T-PATH case', text: get('/ADMIN/'), status: 403 },
  { name: 'T-PATH query', text: get('/admin?x=/public'), status: 403 },
  { name: 'T-PATH encoded-slash', text: get('/%2fadmin'), status: 400 },
  { name: 'T-PATH fragment', text: get('/admin#/x'), status: 400 },
  { name: 'T-PATH null-byte', text: get('/%00/admin'), status: 400 },
  { name: 'T-PATH raw-beyond-ascii', text: get('/\u00E9/admin'), status: 400 },
  { name: 'T-PATH absolute-target', text: get('http://orders//admin'), status: 403 },
  { name: 'T-PATH of-the-server-by-GET', text: get('*'), status: 400 },
  {
    name: 'T-PATH double-encoded',
    text: get('/%252e%252e/x'),
    status: 200,
    check: ({ url }) => assert.equal(url, '/%252e%252e/x'),
  },
  {
    name: 'T-PATH handler-gets-the-form-of-the-rules',
    text: get('/a/./b//c/?q=//'),
    status: 200,
    check: ({ url }) => assert.equal(url, '/a/b/c/?q=//'),
  },
  {
    name: 'T-PATH absolute-target-becomes-relative',
    text: get('http://orders/x'),
    status: 200,
    check: ({ url }) => assert.equal(url, '/x'),
  },
  { name: 'T-HOST two', text: get('/', 'Host: internal'), status: 400 },
  { name: 'T-HOST none', text: lines('GET / HTTP/1.1', close), status: 400 },
  { name: 'T-HOST user', text: lines('GET / HTTP/1.1', 'Host: x@internal', close), status: 400 },
  { name: 'T-HOST case', text: lines('GET / HTTP/1.1', 'Host: INTERNAL', close), status: 403 },
  { name: 'T-HOST trailing-dot', text: lines('GET / HTTP/1.1', 'Host: internal.', close), status: 403 },
  { name: 'T-HOST default-port', text: lines('GET / HTTP/1.1', 'Host: internal:80', close), status: 403 },
  { name: 'T-HOST absolute-target-goes-first', text: get('http://internal/'), status: 403 },
  {
    name: 'T-HOST handler-gets-the-one-of-the-target',
    text: lines('GET http://Orders/ HTTP/1.1', 'Host: internal', close),
    status: 200,
    check: ({ headers, distinct }) => assert.deepEqual([headers.host, distinct['host']], ['orders', ['orders']]),
  },
  { name: 'T-HDR second-value', text: get('/', 'X-Role: user', 'X-Role: admin'), status: 403 },
  { name: 'T-HDR first-value', text: get('/', 'X-Role: admin', 'X-Role: user'), status: 403 },
  { name: 'T-HDR mixed-case', text: get('/', 'x-ROLE: admin'), status: 403 },
  { name: 'T-HDR null-byte', text: get('/', 'X-A: b\0c'), status: 400 },
  { name: 'T-HDR lone-carriage-return', text: get('/', 'X-A: b\rX-Role: admin'), status: 400 },
  { name: 'T-HDR folded-line', text: get('/', 'X-A: b', ' c'), status: 400 },
  { name: 'T-HDR space-before-colon', text: get('/', 'X-Role : admin'), status: 400 },
  { name: 'T-HDR name-beyond-ascii', text: get('/', 'X-R\u00F6le: admin'), status: 400 },
  { name: 'T-HDR pseudo-header', text: get('/', ':path: /admin'), status: 400 },
  { name: 'T-HDR over-long', text: get('/', `X-A: ${'a'.repeat(20_000)}`), status: 431 },
  {
    name: 'T-HDR method-override-is-not-read',
    text: get('/', 'X-HTTP-Method-Override: DELETE'),
    status: 200,
    check: ({ method }) => assert.equal(method, 'GET'),
  },
  {
    name: 'T-HDR method-is-that-of-the-request-line',
    text: lines('DELETE / HTTP/1.1', 'Host: orders', close, 'X-HTTP-Method-Override: GET'),
    status: 403,
  },
  {
    name: 'T-SPOOF identity-of-others',
    text: get(
      '/',
      'X-Forwarded-Client-Cert: URI=spiffe://x/admin',
      'x_forwarded_client_cert: URI=spiffe://x/admin',
      'X-Forwarded-For: 127.0.0.1',
      'X-Envoy-Original-Path: /public',
      'Baggage: user=admin',
    ),
    status: 200,
    check: ({ headers, distinct }) => {
      assert.deepEqual(headers, { host: 'orders', connection: 'close' });
      assert.deepEqual(Object.keys(distinct), ['host', 'connection']);
    },
  },
  {
    name: 'T-WIRE length-and-coding',
    text: `${lines('POST / HTTP/1.1', 'Host: orders', 'Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n${get('/admin')}`,
    status: 400,
  },
  {
    name: 'T-WIRE two-lengths',
    text: `${lines('POST / HTTP/1.1', 'Host: orders', 'Content-Length: 0', 'Content-Length: 40')}${get('/admin')}`,
    status: 400,
  },
  {
    name: 'T-WIRE unknown-coding',
    text: `${lines('POST / HTTP/1.1', 'Host: orders', 'Transfer-Encoding: xchunked')}${get('/admin')}`,
    status: 400,
  },
  {
    name: 'T-WIRE coding-after-chunked',
    text: `${lines('POST / HTTP/1.1', 'Host: orders', 'Transfer-Encoding: chunked, identity')}${get('/admin')}`,
    status: 400,
  },
  {
    name: 'T-WIRE coding-of-http-1-0',
    text: `${lines('POST / HTTP/1.0', 'Host: orders', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    status: 400,
  },
  { name: 'T-WIRE signed-length', text: lines('POST / HTTP/1.1', 'Host: orders', 'Content-Length: +0'), status: 400 },
  { name: 'T-WIRE bare-line-feeds', text: 'GET / HTTP/1.1\nHost: orders\nConnection: close\n\n', status: 400 },
  { name: 'T-WIRE space-in-the-target', text: get('/x HTTP/1.1 /admin'), status: 400 },
];

describe('requests meant to be read in two ways', () => {
  const ports = new Map<string, number>();
  let mesh: Mesh;
  let server: InboundServer;

  before(async () => {
    const plane = new TestControlPlane();
    mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    await plane.deliver([chain]);
    server = await mesh.listen(handler, { port: 0, host: '127.0.0.1' });
    ports.set('mesh.listen', server.port);
  });
  after(() => mesh.close());

  for (const { name, text, status, check } of rows) {
    it(`${name}: ${status} by a port of the mesh's own`, async () => {
      await judge(ports.get('mesh.listen')!, text, status, check);
    });
    it(`${name}: ${status} by a server of node:http`, async (t) => {
      const { plane, port } = await guardedServer(t, handler);
      await plane.deliver([chain]);
      await judge(port, text, status, check);
    });
  }

  async function judge(port: number, text: string, status: number, check: Row['check']): Promise<void> {
    handled.length = 0;
    assert.deepEqual(await statusesOf(port, text, status === 200 ? 1 : 2), [status]);
    assert.equal(handled.length, status === 200 ? 1 : 0);
    if (check !== undefined) check(handled[0]!);
  }

  const overHttp2: readonly { readonly name: string; readonly headers: OutgoingHttpHeaders; readonly status: number }[] = [
    { name: 'T-PATH', headers: { ':path': '/x/%2e%2e//admin', ':authority': 'orders' }, status: 403 },
    { name: 'T-PATH encoded-slash', headers: { ':path': '/x%2fadmin', ':authority': 'orders' }, status: 400 },
    { name: 'T-HOST case', headers: { ':path': '/', ':authority': 'INTERNAL.:80' }, status: 403 },
    { name: 'T-HOST host-alone', headers: { ':path': '/', host: 'internal' }, status: 403 },
    { name: 'T-HOST two-that-differ', headers: { ':path': '/', ':authority': 'orders', host: 'internal' }, status: 400 },
    { name: 'T-HDR several-values', headers: { ':path': '/', ':authority': 'orders', 'x-role': ['user', 'admin'] }, status: 403 },
    {
      name: 'T-SPOOF',
      headers: { ':path': '/a//b', ':authority': 'orders', 'x-forwarded-for': '1', 'x-envoy-original-path': '/' },
      status: 200,
    },
    { name: 'method-in-small-letters', headers: { ':method': 'delete', ':path': '/', ':authority': 'orders' }, status: 400 },
    { name: 'method-in-mixed-case', headers: { ':method': 'Delete', ':path': '/', ':authority': 'orders' }, status: 400 },
    { name: 'method-that-is-none', headers: { ':method': 'BREW', ':path': '/', ':authority': 'orders' }, status: 400 },
    { name: 'method-that-is-denied', headers: { ':method': 'DELETE', ':path': '/', ':authority': 'orders' }, status: 403 },
  ];
  const servers: Readonly<Record<string, (t: TestContext) => Promise<number>>> = {
    'a port of the mesh': () => Promise.resolve(server.port),
    async "a port with Node's objects"(t) {
      const native = await mesh.listen(handler, { port: 0, host: '127.0.0.1', http2: 'native' });
      t.after(() => native.close());
      return native.port;
    },
    async 'a server of node:http2'(t) {
      // The port that the policy is of: this one is the server's.
      const door = mesh.inbound();
      const owned = createHttp2Server((incoming, outgoing) => {
        const request = incoming as unknown as InboundRequest;
        const response = outgoing as unknown as InboundResponse;
        door.admit(request, response, (refusal) => {
          if (refusal !== undefined) door.refuse(request, response, refusal);
          else handler(incoming as unknown as IncomingMessage, outgoing as unknown as ServerResponse);
        });
      }).listen(0, '127.0.0.1');
      await once(owned, 'listening');
      t.after(() => owned.close());
      return (owned.address() as AddressInfo).port;
    },
  };
  for (const [where, portOf] of Object.entries(servers))
    for (const { name, headers, status } of overHttp2) {
      it(`${name} over HTTP/2, ${where}: ${status}`, async (t) => {
        const port = await portOf(t);
        handled.length = 0;
        const client = connectHttp2(`http://127.0.0.1:${port}`);
        const request = client.request(headers);
        const got = await new Promise<number>((resolve, reject) => {
          request.on('response', ({ ':status': answered }) => resolve(answered!));
          request.on('error', reject);
          request.resume();
        });
        client.close();
        assert.equal(got, status);
        assert.equal(handled.length, status === 200 ? 1 : 0);
        if (status !== 200) return;
        assert.ok(handled[0] !== undefined);
        assert.equal(handled[0].url, '/a/b');
        const shown = Object.entries(handled[0].headers).filter(([each]) => !each.startsWith(':'));
        assert.deepEqual(Object.fromEntries(shown), where === 'a port of the mesh' ? { host: 'orders' } : {});
      });
    }

  it("shows a handler of Node's own HTTP/2 objects the form that the rules saw, in all of its views", async (t) => {
    const native = await mesh.listen(handler, { port: 0, host: '127.0.0.1', http2: 'native' });
    t.after(() => native.close());
    handled.length = 0;
    const client = connectHttp2(`http://127.0.0.1:${native.port}`);
    const request = client.request({
      ':path': '/a/./b?q',
      ':authority': 'ORDERS:80',
      host: 'orders.',
      baggage: 'user=admin',
      accept: '*/*',
    });
    await new Promise((resolve, reject) => request.on('end', resolve).on('error', reject).resume());
    client.close();
    const [{ url, headers } = assert.fail('it was refused')] = handled;
    assert.equal(url, '/a/b?q');
    assert.deepEqual(Object.fromEntries(Object.entries(headers)), {
      ':method': 'GET',
      ':scheme': 'http',
      ':path': '/a/b?q',
      ':authority': 'orders',
      host: 'orders',
      accept: '*/*',
    });
  });

  describe('trailers that say what headers may not', () => {
    const forged = { 'x-forwarded-client-cert': 'URI=spiffe://x/admin', x_mesh_principal: 'admin', 'x-checksum': '7' };
    const reading =
      (seen: { trailers?: object; raw?: readonly string[] }): RequestListener =>
      (request, response) => {
        request.resume().on('end', () => {
          seen.trailers = Object.fromEntries(Object.entries(request.trailers));
          seen.raw = [...request.rawTrailers];
          response.end('handled');
        });
      };

    it('are taken off over HTTP/1.1', async (t) => {
      const seen: { trailers?: object; raw?: readonly string[] } = {};
      const { port } = await mesh.listen(reading(seen), { port: 0, host: '127.0.0.1' });
      const headers = { 'transfer-encoding': 'chunked', trailer: 'x-checksum' };
      const outgoing = httpRequest({ host: '127.0.0.1', port, method: 'POST', headers, agent: false });
      outgoing.addTrailers(forged);
      outgoing.write('body');
      outgoing.end();
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      t.after(() => response.destroy());
      await once(response.resume(), 'end');
      assert.deepEqual(seen, { trailers: { 'x-checksum': '7' }, raw: ['x-checksum', '7'] });
    });

    for (const http2 of ['bridge', 'native'] as const)
      it(`are taken off over HTTP/2, ${http2}`, async () => {
        const seen: { trailers?: object; raw?: readonly string[] } = {};
        const { port } = await mesh.listen(reading(seen), { port: 0, host: '127.0.0.1', http2 });
        const client = connectHttp2(`http://127.0.0.1:${port}`);
        const stream = client.request({ ':method': 'POST', ':path': '/', ':authority': 'orders' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers(forged));
        stream.end('body');
        await once(stream.resume(), 'end');
        client.close();
        assert.deepEqual(seen, { trailers: { 'x-checksum': '7' }, raw: ['x-checksum', '7'] });
      });
  });
});
