/** One list of requests through every way to serve: the same answers from all of them. */
import assert from 'node:assert/strict';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { createMesh } from 'meshfetch';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../../support/cluster-plane.ts';
import { policyOf, send, wayIn, type Reply } from '../../support/inbound.ts';
import { startServer } from '../../support/servers.ts';
import { integrations } from './integrations.ts';

interface Case {
  readonly name: string;
  readonly method?: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  readonly status: number;
  readonly says?: string | RegExp;
}

/** Rules: nobody gets `/admin`; `x-key: good` is let in elsewhere, and `/further…`, `/broken` for everybody. */
const policy = [
  policyOf('deny', [{ kind: 'path', match: { kind: 'exact', value: '/admin' } }]),
  policyOf('allow', [
    { kind: 'header', header: { name: 'x-key', match: { kind: 'exact', value: 'good' } } },
    { kind: 'path', match: { kind: 'prefix', value: '/further' } },
    { kind: 'path', match: { kind: 'prefix', value: '/broken' } },
  ]),
];

const key = { 'x-key': 'good' };
const cases: readonly Case[] = [
  { name: 'get-allowed', target: '/orders?page=2', headers: key, status: 200, says: 'GET /orders of a stranger' },
  { name: 'get-without-the-key', target: '/orders', status: 403, says: 'RBAC: access denied' },
  {
    name: 'post-with-a-body',
    method: 'POST',
    target: '/orders',
    headers: { ...key, 'content-type': 'text/plain' },
    body: 'tea',
    status: 201,
    says: 'made tea',
  },
  {
    name: 'post-refused-before-its-body-is-read',
    method: 'POST',
    target: '/orders',
    headers: { 'content-type': 'text/plain' },
    body: 'tea',
    status: 403,
  },
  { name: 'denied-whoever-asks', target: '/admin', headers: key, status: 403 },
  { name: 'denied-over-dots', target: '/orders/../admin', headers: key, status: 403 },
  { name: 'denied-over-encoded-dots', target: '/orders/%2e%2e/admin', headers: key, status: 403 },
  { name: 'denied-over-slashes', target: '//admin', headers: key, status: 403 },
  { name: 'denied-over-a-backslash', target: '/orders\\..\\admin', headers: key, status: 403 },
  { name: 'denied-with-a-letter-encoded', target: '/%61dmin', headers: key, status: 403 },
  {
    name: 'served-at-the-resolved-path',
    target: '/admin/../orders',
    headers: key,
    status: 200,
    says: 'GET /orders of a stranger',
  },
  { name: 'an-encoded-slash', target: '/orders%2f..%2fadmin', headers: key, status: 400 },
  { name: 'a-null-byte', target: '/orders%00', headers: key, status: 400 },
  { name: 'a-broken-escape', target: '/orders%zz', headers: key, status: 400 },
  { name: 'two-keys-of-which-one-is-good', target: '/orders', headers: { 'x-key': ['bad', 'good'] }, status: 200 },
  {
    name: 'a-method-override-is-not-read',
    method: 'POST',
    target: '/orders',
    headers: { ...key, 'x-http-method-override': 'GET', 'content-type': 'text/plain' },
    body: 'x',
    status: 201,
  },
  { name: 'a-call-that-failed-is-told-by-its-status', target: '/broken', status: 503 },
  { name: 'nothing-there', target: '/nothing', headers: key, status: 404 },
  {
    name: 'a-further-call-inherits',
    target: '/further',
    headers: { 'x-canary': 'yes', 'x-other': 'no' },
    status: 200,
    says: /^canary yes, other undefined, \d+ ms left$/,
  },
  {
    name: 'a-further-call-after-the-body-inherits',
    method: 'POST',
    target: '/further-after-body',
    headers: { 'x-canary': 'yes', 'content-type': 'text/plain' },
    body: 'x',
    status: 200,
    says: /^canary yes, other undefined, \d+ ms left$/,
  },
  {
    name: 'grpc-is-told-in-its-words',
    method: 'POST',
    target: '/orders',
    headers: { 'content-type': 'application/grpc+proto' },
    status: 200,
    says: '',
  },
  {
    name: 'for-a-browser-that-speaks-grpc-web-a-refusal-is-http',
    method: 'POST',
    target: '/orders',
    headers: { 'content-type': 'application/grpc-web' },
    status: 403,
    says: 'RBAC: access denied',
  },
];

/** The same with prior knowledge of HTTP/2. */
function sendOverHttp2(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string | string[]>; body?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on('error', reject);
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
    let answered: IncomingHttpHeaders & { ':status'?: number | undefined } = {};
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (response) => (answered = response));
    stream.on('data', (chunk: string) => (text += chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      resolve({ status: answered[':status']!, headers: answered, body: text });
    });
    if (body !== undefined) stream.end(body);
  });
}

async function surroundings(t: TestContext) {
  const further = await startServer((request, response) => {
    const { 'x-canary': canary, 'x-other': other, 'x-envoy-expected-rq-timeout-ms': leftMs } = request.headers;
    response.end(`canary ${String(canary)}, other ${String(other)}, ${String(leftMs)} ms left`);
  });
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  t.after(() => mesh.close());
  await plane.deliver([
    wayIn({ authorization: policy, forwardHeaders: ['x-canary'] }),
    allTo('further', 'further', { timeoutMs: 60_000 }),
    staticCluster('further', [endpointAt(further.address)]),
    allTo('nobody', 'nobody', { timeoutMs: 60_000 }),
    staticCluster('nobody', []),
  ]);
  return mesh;
}

for (const [name, { serve, protocol }] of Object.entries(integrations))
  describe(`requests through ${name}`, () => {
    for (const { name: row, method, target, headers, body, status, says } of cases)
      it(`are answered as through every other: ${row}`, async (t) => {
        const port = await serve(t, await surroundings(t));
        const reply = await (protocol === 'h2' ? sendOverHttp2 : send)(port, target, {
          ...(method !== undefined && { method }),
          ...(headers !== undefined && { headers: { ...headers } }),
          ...(body !== undefined && { body }),
        });
        assert.equal(reply.status, status, reply.body);
        if (typeof says === 'string') assert.equal(reply.body, says);
        else if (says !== undefined) assert.match(reply.body, says);
        const { 'grpc-status': grpcStatus, 'grpc-message': grpcMessage } = reply.headers;
        assert.deepEqual(
          [grpcStatus, grpcMessage],
          row.startsWith('grpc') ? ['7', 'RBAC: access denied'] : [undefined, undefined],
        );
      });
  });
