/**
 * A service of grpc-js on a port of the mesh, with a certificate of its own. What the policy of the port says holds for calls of gRPC, and what
 * a call brings along goes on with the requests that are made for it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, it, type TestContext } from 'node:test';
import {
  Client,
  credentials,
  status,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { createMesh, type InboundServer, type Mesh } from 'meshfetch';
import { grpcHandler, meshRequest } from 'meshfetch/grpc';
import type { MeshFileInput } from '../../src/control-plane/file/schema.ts';
import { decodeLoadReport } from '../../src/data-plane/load-balancing/load-report-message.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../src/security/certificate-authority.ts';
import { serverKeyPair, testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { echo, grpcPort, grpcServerOf, sameBytes, streamed, unary, type Methods } from '../support/grpc-port.ts';
import { policyOf } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';
import { temporaryFolder } from '../support/secured.ts';
import { startServer } from '../support/servers.ts';
import { standsStill } from '../support/stands-still.ts';
import { ecKey, signToken } from '../support/token-issuer.ts';

type Unary = ServerUnaryCall<Buffer, Buffer>;
type Done = sendUnaryData<Buffer>;

const authority = await testAuthority();
const folder = await temporaryFolder();

async function serve(name: string, methods: Methods, config: MeshFileInput): Promise<{ mesh: Mesh; server: InboundServer }> {
  const identity = await writeIdentityFiles(folder, name, await workloadCertificate(authority, name), authority);
  const mesh = await createMesh({ name, controlPlane: { identity, ...config }, drainTimeoutMs: 500 });
  const server = await mesh.listen(grpcHandler(grpcServerOf(methods)), { port: 0, host: '127.0.0.1' });
  after(() => mesh.close());
  return { mesh, server };
}

/** A client of grpc-js without a mesh, with a certificate. */
function clientAs(t: TestContext, port: number, issued: IssuedCertificate, of: CertificateAuthority = authority): Client {
  const { key, cert } = serverKeyPair(issued);
  const secured = credentials.createSsl(Buffer.from(of.certificate), Buffer.from(key), Buffer.from(cert));
  const client = new Client(`localhost:${port}`, secured);
  t.after(() => client.close());
  return client;
}

const web = await workloadCertificate(authority, 'web');
const ops = await workloadCertificate(authority, 'ops');

const orders = await serve(
  'orders',
  {
    '/shop.Orders/Get': [
      'unary',
      (call: Unary, done: Done) => {
        const { peer, isTls } = meshRequest(call)!;
        const { transportSecurityType } = call.getAuthContext();
        done(null, Buffer.from(JSON.stringify([peer.spiffeId, isTls, transportSecurityType])));
      },
    ],
    '/shop.Orders/Delete': echo,
  },
  {
    inbound: {
      mode: 'strict',
      authorization: [
        { name: 'read', from: { identities: ['spiffe://example.org/web'] }, to: { paths: ['/shop.Orders/Get'] } },
        { name: 'all', from: { identities: ['spiffe://example.org/ops'] }, to: { paths: ['/shop.Orders/*'] } },
      ],
    },
  },
);

describe('calls to a service over mutual TLS', () => {
  it('tell it who calls, by SPIFFE ID', async (t) => {
    const result = await unary(clientAs(t, orders.server.port, web), '/shop.Orders/Get');
    assert.deepEqual(JSON.parse(result.message!.toString()), ['spiffe://example.org/web', true, 'ssl']);
  });

  it('are let in by method and by identity', async (t) => {
    const asWeb = clientAs(t, orders.server.port, web);
    const refused = await unary(asWeb, '/shop.Orders/Delete');
    assert.deepEqual([refused.code, refused.details], [status.PERMISSION_DENIED, 'RBAC: access denied']);
    assert.equal((await unary(asWeb, '/shop.Orders/Get')).code, status.OK);
    assert.equal((await unary(clientAs(t, orders.server.port, ops), '/shop.Orders/Delete')).code, status.OK);
  });

  it('are refused with a certificate of another CA, and in plaintext', async (t) => {
    const other = await testAuthority('another CA');
    const stranger = await workloadCertificate(other, 'web');
    const { key, cert } = serverKeyPair(stranger);
    const secured = credentials.createSsl(Buffer.from(authority.certificate), Buffer.from(key), Buffer.from(cert));
    const client = new Client(`localhost:${orders.server.port}`, secured);
    t.after(() => client.close());
    assert.equal((await unary(client, '/shop.Orders/Get')).code, status.UNAVAILABLE);
    const plain = new Client(`127.0.0.1:${orders.server.port}`, credentials.createInsecure());
    t.after(() => plain.close());
    assert.equal((await unary(plain, '/shop.Orders/Get')).code, status.PERMISSION_DENIED);
  });
});

describe('the policy of a port', () => {
  it('refuses calls before the service sees them, each with its status of gRPC', async (t) => {
    const keySet = JSON.stringify({ keys: [ecKey().jwk({ kid: 'k' })] });
    const rules = [
      {
        name: 'deny-by-method',
        chain: { authorization: [policyOf('deny', [{ kind: 'path', match: { kind: 'exact', value: '/t.T/Echo' } }])] },
        expected: [status.PERMISSION_DENIED, 'RBAC: access denied'],
      },
      {
        name: 'token-missing',
        chain: { jwt: [{ name: 'idp', audiences: [], jwks: { kind: 'inline', document: keySet } }] },
        expected: [status.UNAUTHENTICATED, 'Jwt is missing'],
      },
      {
        name: 'rate-limit',
        chain: { rateLimit: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 3_600_000 } },
        calls: 2,
        expected: [status.UNAVAILABLE, 'local_rate_limited'],
      },
      {
        name: 'fault',
        chain: { fault: { abort: { grpcStatus: 8, fraction: { numerator: 100, denominator: 100 } } } },
        expected: [status.RESOURCE_EXHAUSTED, 'fault filter abort'],
      },
    ] as const;
    for (const rule of rules) {
      let seen = 0;
      const count: Methods[string] = ['unary', (call: Unary, done: Done) => (seen++, done(null, call.request))];
      const { client } = await grpcPort(t, grpcServerOf({ '/t.T/Echo': count }), { chain: rule.chain });
      const calls = 'calls' in rule ? rule.calls : 1;
      for (let index = 1; index < calls; index++) assert.equal((await unary(client, '/t.T/Echo')).code, status.OK);
      const { code, details } = await unary(client, '/t.T/Echo');
      assert.deepEqual([rule.name, code, details, seen], [rule.name, ...rule.expected, calls - 1]);
    }
  });

  it('shows the service the token that it has verified', async (t) => {
    const key = ecKey();
    const token = signToken(
      { alg: 'ES256', kid: 'k' },
      { iss: 'https://idp', sub: 'ada', exp: Math.floor(Date.now() / 1000) + 60 },
      key.sign,
    );
    const whoAsks: Methods[string] = [
      'unary',
      (call: Unary, done: Done) => done(null, Buffer.from(meshRequest(call)!.requestPrincipal ?? 'nobody')),
    ];
    const document = JSON.stringify({ keys: [key.jwk({ kid: 'k' })] });
    const { client } = await grpcPort(t, grpcServerOf({ '/t.T/Who': whoAsks }), {
      chain: { jwt: [{ name: 'idp', issuer: 'https://idp', audiences: [], jwks: { kind: 'inline', document } }] },
    });
    const { message } = await unary(client, '/t.T/Who', '', { metadata: { authorization: `Bearer ${token}` } });
    assert.equal(message?.toString(), 'https://idp/ada');
  });

  it('sheds calls over its limit with UNAVAILABLE, and takes them again when one has ended', async (t) => {
    const waiting: Done[] = [];
    const server = grpcServerOf({ '/t.T/Wait': ['unary', (_call: Unary, done: Done) => void waiting.push(done)] });
    const { client, mesh } = await grpcPort(t, server, { chain: { admission: { maxRequests: 1 } } });
    const first = unary(client, '/t.T/Wait');
    await eventually('the first call waits', () => waiting.length === 1);
    assert.deepEqual((await unary(client, '/t.T/Wait')).code, status.UNAVAILABLE);
    waiting[0]!(null, Buffer.from('done'));
    assert.equal((await first).code, status.OK);
    await eventually('nothing is under way', () => mesh.status().inbound[0]?.requestsInFlight === 0);
    const third = unary(client, '/t.T/Wait');
    await eventually('the third call waits', () => waiting.length === 2);
    waiting[1]!(null, Buffer.from('done'));
    assert.equal((await third).code, status.OK);
  });

  it('tells nobody anything of a call that came another way', async (t) => {
    const server = grpcServerOf({
      '/t.T/Mesh': ['unary', (call: Unary, done: Done) => done(null, Buffer.from(typeof meshRequest(call)))],
    });
    const { ServerCredentials } = await import('@grpc/grpc-js');
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    t.after(() => {
      client.close();
      server.forceShutdown();
    });
    assert.equal((await unary(client, '/t.T/Mesh')).message?.toString(), 'undefined');
  });
});

describe('the time that a caller waits', () => {
  it('goes on with the calls that are made for it, of whatever client', async (t) => {
    const stock = await startServer((request, response) => void response.end(request.headers['x-envoy-expected-rq-timeout-ms']));
    const services = { stock: { endpoints: [stock.address] } };
    const outer = await createMesh({ controlPlane: { services }, drainTimeoutMs: 100 });
    t.after(() => outer.close());
    for (const kind of ['unary', 'bidi'] as const) {
      const ask = async (): Promise<Buffer> => Buffer.from(await (await outer.fetch('http://stock/')).text());
      const methods: Methods = {
        '/t.T/Ask': ['unary', (_call: Unary, done: Done) => void ask().then((answer) => done(null, answer))],
        '/t.T/Stream': [
          'bidi',
          (call: ServerDuplexStream<Buffer, Buffer>) =>
            void call.on('data', () => void ask().then((answer) => (call.write(answer), call.end()))),
        ],
      };
      const { client } = await grpcPort(t, grpcServerOf(methods));
      if (kind === 'unary') {
        const { message } = await unary(client, '/t.T/Ask', '', { timeoutMs: 5000 });
        assert.ok(Number(message?.toString()) > 0 && Number(message?.toString()) <= 5000, message?.toString());
      } else {
        const call = client.makeBidiStreamRequest('/t.T/Stream', sameBytes, sameBytes, { deadline: Date.now() + 5000 });
        call.end(Buffer.from('ask'));
        const left = Number((await streamed(call)).messages[0]);
        assert.ok(left > 0 && left <= 5000, String(left));
      }
    }
  });

  it('of days has more digits in milliseconds than a timeout of gRPC may have, and is not cut', async (t) => {
    let leftMs = 0;
    const server = grpcServerOf({
      '/t.T/Left': [
        'unary',
        (call: Unary, done: Done) => {
          leftMs = Number(call.getDeadline()) - Date.now();
          done(null, Buffer.alloc(0));
        },
      ],
    });
    const { client } = await grpcPort(t, server);
    await unary(client, '/t.T/Left', '', { timeoutMs: 172_800_000 }); // two days
    assert.ok(leftMs > 172_700_000 && leftMs <= 172_800_000, String(leftMs));
  });

  it('is what the way in has left of it, and ends the call with DEADLINE_EXCEEDED', async (t) => {
    const deadlines: number[] = [];
    const cancelled = Promise.withResolvers<void>();
    const server = grpcServerOf({
      '/t.T/Never': [
        'unary',
        (call: Unary) => {
          deadlines.push(Number(call.getDeadline()) - Date.now(), meshRequest(call)!.remainingMs()!);
          call.on('cancelled', () => cancelled.resolve());
        },
      ],
    });
    const { client } = await grpcPort(t, server);
    // Envoy's word for the same, and shorter than what the client says.
    const { code } = await unary(client, '/t.T/Never', '', {
      timeoutMs: 20_000,
      metadata: { 'x-envoy-expected-rq-timeout-ms': '40' },
    });
    assert.equal(code, status.DEADLINE_EXCEEDED);
    await cancelled.promise;
    assert.ok(
      deadlines.every((leftMs) => leftMs <= 41),
      deadlines.join(),
    );
  });
});

describe('a port that drains', () => {
  it('lets calls finish, streams too, and tells them; nothing of them is lost', async (t) => {
    const draining = Promise.withResolvers<void>();
    const server = grpcServerOf({
      '/t.T/Count': [
        'serverStream',
        (call: ServerWritableStream<Buffer, Buffer>) => {
          call.write(Buffer.from('first'));
          meshRequest(call)!.draining.addEventListener('abort', () => {
            draining.resolve();
            call.write(Buffer.from('last'));
            call.end();
          });
        },
      ],
      '/t.T/Echo': echo,
    });
    const { client, inbound } = await grpcPort(t, server, { listen: { drainTimeoutMs: 10_000 } });
    const call = client.makeServerStreamRequest('/t.T/Count', sameBytes, sameBytes, Buffer.alloc(0));
    const end = streamed(call);
    await once(call, 'data');
    const closed = inbound.close();
    await draining.promise;
    assert.deepEqual(await end.then(({ messages, end: { code } }) => [messages, code]), [['first', 'last'], status.OK]);
    await closed;
    // The port is gone: the client was told (GOAWAY), and finds nobody on a new connection.
    assert.equal((await unary(client, '/t.T/Echo')).code, status.UNAVAILABLE);
  });

  it('cuts what has not ended within its bound', async (t) => {
    const server = grpcServerOf({
      '/t.T/Endless': ['serverStream', (call: ServerWritableStream<Buffer, Buffer>) => void call.write(Buffer.from('first'))],
    });
    const { client, inbound } = await grpcPort(t, server, { listen: { drainTimeoutMs: 30 } });
    const call = client.makeServerStreamRequest('/t.T/Endless', sameBytes, sameBytes, Buffer.alloc(0));
    const end = streamed(call);
    await once(call, 'data');
    await inbound.close();
    assert.notEqual((await end).end.code, status.OK);
  });
});

describe('a stream', () => {
  it('may last longer than the time that bodies of other requests have', async (t) => {
    const server = grpcServerOf({
      '/t.T/Chat': [
        'bidi',
        (call: ServerDuplexStream<Buffer, Buffer>) => void call.on('data', (message: Buffer) => call.write(message)),
      ],
    });
    const { client, inbound } = await grpcPort(t, server, {
      listen: { limits: { requestTimeoutMs: 30 } },
      handler: { otherwise: (request) => void request.resume() },
    });
    const call = client.makeBidiStreamRequest('/t.T/Chat', sameBytes, sameBytes).on('error', () => {});
    call.write(Buffer.from('a'));
    await once(call, 'data');
    // A request that came later, and is cut for that time.
    const { connect } = await import('node:http2');
    const session = connect(`http://127.0.0.1:${inbound.port}`);
    t.after(() => session.destroy());
    const upload = session.request({ ':method': 'POST', ':path': '/upload' });
    upload.write('half of it');
    const [{ ':status': code }] = (await once(upload, 'response')) as [{ ':status': number }];
    assert.equal(code, 408);
    call.write(Buffer.from('b'));
    assert.equal(String((await once(call, 'data'))[0]), 'b');
    call.cancel();
  });
});

describe('a service that reads slowly', () => {
  it('stops the caller, over bridge objects and native ones, and gets the rest when it goes on', async (t) => {
    for (const objects of ['bridge', 'native'] as const) {
      const reading = Promise.withResolvers<ServerReadableStream<Buffer, Buffer>>();
      const server = grpcServerOf({
        '/t.T/Up': [
          'clientStream',
          (call: ServerReadableStream<Buffer, Buffer>, done: Done) => {
            let bytes = 0;
            call.on('end', () => done(null, Buffer.from(String(bytes))));
            call.on('data', (message: Buffer) => (bytes += message.length));
            call.pause();
            reading.resolve(call);
          },
        ],
      });
      const { client } = await grpcPort(t, server, { listen: { http2: objects } });
      const total = 16 * 1024 * 1024;
      const message = Buffer.alloc(65_536);
      let written = 0;
      const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
        const call = client.makeClientStreamRequest('/t.T/Up', sameBytes, sameBytes, (error, reply) =>
          error === null ? resolve(reply) : reject(error),
        );
        const write = (): void => {
          for (; written < total;) {
            written += message.length;
            if (!call.write(message)) return void call.once('drain', write);
          }
          call.end();
        };
        write();
        void reading.promise.then(async (served) => {
          const stopped = await standsStill(() => written);
          assert.ok(stopped < total / 2, `${stopped} bytes were written for a service that does not read`);
          served.resume();
        }, reject);
      });
      assert.equal(Number(answer), total);
    }
  });
});

describe('the load report of a call', () => {
  it('comes in its trailers, also where those are all there is, beside what the program has measured', async (t) => {
    const methods: Methods = {
      '/t.T/Echo': echo,
      '/t.T/Fail': ['unary', (_call: Unary, done: Done) => done({ code: status.INTERNAL, details: 'no' })],
      '/t.T/Measure': [
        'unary',
        (call: Unary, done: Done) => {
          call.getMetricsRecorder().recordNamedMetric('queue', 7);
          done(null, call.request);
        },
      ],
    };
    const server = grpcServerOf(methods, { 'grpc.server_call_metric_recording': 1 });
    const { client } = await grpcPort(t, server, { chain: { loadReport: true } });
    const reportOf = (trailers: { get(name: string): unknown[] }) => {
      const [message] = trailers.get('endpoint-load-metrics-bin') as Buffer[];
      return message && decodeLoadReport(message);
    };
    const isThere = async (): Promise<boolean> =>
      reportOf((await unary(client, '/t.T/Fail')).trailers)?.namedMetrics['requests_in_flight'] !== undefined;
    // Measured over a second: there is none before.
    let isMeasured = false;
    await eventually('a second is over', () => (void isThere().then((there) => (isMeasured ||= there)), isMeasured));
    const failed = reportOf((await unary(client, '/t.T/Fail')).trailers)!;
    assert.ok(failed.applicationUtilization > 0);
    // Calls that ended with INTERNAL are errors, although their status of HTTP is 200.
    assert.ok(failed.eps > 0);
    const measured = reportOf((await unary(client, '/t.T/Measure')).trailers)!;
    assert.deepEqual(Object.keys(measured.namedMetrics).toSorted(), ['queue', 'requests_in_flight']);
    assert.equal(measured.namedMetrics['queue'], 7);
    assert.ok(reportOf((await unary(client, '/t.T/Echo')).trailers) !== undefined);
  });
});
