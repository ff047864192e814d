/** Real authorizers over HTTP and gRPC are asked about requests that came in over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { createMesh } from 'meshfetch';
import { createVirtualClock } from 'meshfetch/testing';
import { request } from 'undici';
import { systemClock, type Clock } from '../../src/base/runtime.ts';
import type { OutboundDispatcher } from '../../src/data-plane/dispatcher.ts';
import type { AccessRequest } from '../../src/data-plane/inbound/access-request.ts';
import {
  createExternalAuthorizer,
  type AuthorizerAnswer,
} from '../../src/data-plane/inbound/external-authorization/external-authorizer.ts';
import type { ExternalAuthorizerConfig } from '../../src/model/authorization.ts';
import { ProtobufReader, ProtobufWriter } from '../../src/wire/protobuf.ts';
import { endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { dial, readToEnd } from '../support/listening.ts';
import { startGrpcServer, type GrpcRefusal } from '../support/grpc-server.ts';
import { eventually } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';

const checkPath = '/envoy.service.auth.v3.Authorization/Check';

interface Setup {
  readonly config?: Partial<ExternalAuthorizerConfig>;
  readonly clock?: Clock;
}

/** A server whose requests an authorizer at `address` decides about; each answer and each body that the handler read. */
async function guarded(t: TestContext, address: string, protocol: 'grpc' | 'http', { config = {}, clock }: Setup = {}) {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  t.after(() => mesh.close());
  await plane.deliver([staticCluster('checker', [endpointAt(address)], { protocol: protocol === 'grpc' ? 'http2' : 'http1' })]);
  const unanswered: { reason: string; wentOn: boolean }[] = [];
  const authorizer = createExternalAuthorizer(
    { name: 'checker', cluster: 'checker', protocol, timeoutMs: 2000, ...config },
    {
      clock: clock ?? systemClock,
      dispatcher: (mesh.dispatcher as OutboundDispatcher).toCluster('test', 'checker'),
      onUnanswered: (reason, wentOn) => unanswered.push({ reason, wentOn }),
    },
  );
  const answers: AuthorizerAnswer[] = [];
  const bodies: string[] = [];
  const cancels: (() => void)[] = [];
  const server = await startServer((incoming, response) => {
    cancels.push(
      authorizer.check(accessOf(incoming), incoming, (answer) => {
        answers.push(answer);
        void answerWith(incoming, response, answer, bodies);
      }),
    );
  });
  return { server, answers, bodies, unanswered, cancels };
}

async function answerWith(incoming: IncomingMessage, response: ServerResponse, answer: AuthorizerAnswer, bodies: string[]) {
  if (answer.kind === 'refused') {
    response.writeHead(answer.refusal.status, answer.refusal.headers as never).end(answer.refusal.body);
    return;
  }
  let text = '';
  incoming.on('data', (chunk) => (text += String(chunk)));
  await once(incoming, 'end');
  bodies.push(text);
  response.end('in');
}

function accessOf(incoming: IncomingMessage): AccessRequest {
  const path = incoming.url!;
  return {
    method: incoming.method!,
    path,
    pathOnly: path.split('?')[0]!,
    authority: incoming.headers.host!,
    scheme: 'http',
    remoteAddress: '192.0.2.7',
    tokens: [],
    requestPrincipal: undefined,
    header: (name) => incoming.headers[name],
    connection: {
      isTls: true,
      protocol: 'http/1.1',
      serverName: 'orders.example.org',
      offeredAlpn: [],
      directAddress: '127.0.0.1',
      peerAddress: '127.0.0.1',
      peerPort: 4711,
      localAddress: '127.0.0.1',
      localPort: 8080,
      identity: undefined,
      certificate: undefined,
      peer: {
        isAuthenticated: true,
        spiffeId: 'spiffe://example.org/cart',
        dnsNames: [],
        uris: ['spiffe://example.org/cart'],
        address: '127.0.0.1',
      },
    },
  };
}

const ask = async (address: string, options: Parameters<typeof request>[1] & { path?: string } = {}) => {
  const { path = '/orders?page=2', ...rest } = options;
  const response = await request(`http://${address}${path}`, rest as never);
  return { status: response.statusCode, headers: response.headers, body: await response.body.text() };
};

/** Reads a message as fields: numbers, or bytes of what is nested. */
function fieldsOf(bytes: Uint8Array): Map<number, (number | Buffer)[]> {
  const fields = new Map<number, (number | Buffer)[]>();
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    const list = fields.get(reader.field) ?? [];
    fields.set(reader.field, list);
    const value = reader.bytes();
    list.push(value === undefined ? (reader.varint() ?? Number.NaN) : Buffer.from(value));
  }
  return fields;
}

function inside(bytes: Uint8Array, ...path: readonly number[]): Buffer {
  return path.reduce<Buffer>((at, field) => fieldsOf(at).get(field)![0] as Buffer, Buffer.from(bytes));
}

const option = (name: string, value: string, action?: number): ProtobufWriter => {
  const header = new ProtobufWriter().message(1, new ProtobufWriter().text(1, name).text(2, value));
  return action === undefined ? header : header.varint(3, action);
};
const status = (code: number): ProtobufWriter => new ProtobufWriter().varint(1, code);

describe('an authorizer over gRPC', () => {
  const start = async (t: TestContext, answer: (request: Buffer) => Uint8Array | GrpcRefusal, setup?: Setup) => {
    const checker = await startGrpcServer({ unary: { [checkPath]: answer } });
    t.after(() => checker.close());
    return guarded(t, checker.address, 'grpc', setup);
  };

  it('is told who calls, what is asked for and every header', async (t) => {
    let seen: Buffer | undefined;
    const { server } = await start(t, (bytes) => {
      seen = bytes;
      return new ProtobufWriter().message(1, status(0)).finish();
    });
    const { status: code } = await ask(server.address, { headers: { 'x-a': ['1', '2'], cookie: 'c=d' } });
    assert.equal(code, 200);
    assert.equal(inside(seen!, 1, 1, 4).toString(), 'spiffe://example.org/cart');
    assert.equal(inside(seen!, 1, 1, 1, 1, 2).toString(), '192.0.2.7');
    assert.equal(inside(seen!, 1, 12, 1).toString(), 'orders.example.org');
    const http = fieldsOf(inside(seen!, 1, 4, 2));
    const text = (field: number): string => String(http.get(field)![0]);
    assert.deepEqual(
      [text(2), text(4), text(5), text(6), text(10)],
      ['GET', '/orders?page=2', server.address, 'http', 'HTTP/1.1'],
    );
    const headers = new Map(
      (http.get(3) as Buffer[]).map((entry) => [String(fieldsOf(entry).get(1)![0]), String(fieldsOf(entry).get(2)![0])]),
    );
    assert.equal(headers.get('x-a'), '1,2');
    assert.equal(headers.get('cookie'), 'c=d');
    assert.equal(headers.get(':path'), '/orders?page=2');
  });

  it('says what is changed in a request that goes on', async (t) => {
    const { server, answers } = await start(t, () =>
      new ProtobufWriter()
        .message(1, status(0))
        .message(
          3,
          new ProtobufWriter()
            .message(2, option('X-User', 'ada', 2))
            .message(2, option('x-role', 'admin', 0))
            .message(2, option('host', 'elsewhere', 2))
            .text(5, 'Cookie')
            .message(6, option('x-decided', 'yes'))
            .message(7, new ProtobufWriter().text(1, 'page').text(2, '9'))
            .text(8, 'debug'),
        )
        .finish(),
    );
    assert.equal((await ask(server.address)).status, 200);
    assert.deepEqual(answers, [
      {
        kind: 'allowed',
        edit: { remove: ['cookie'], set: [['x-user', 'ada']], setIfAbsent: [], setIfPresent: [], add: [['x-role', 'admin']] },
        responseHeaders: [['x-decided', 'yes']],
        queryToSet: [['page', '9']],
        queryToRemove: ['debug'],
      },
    ]);
  });

  it('refuses with its own status, headers and body', async (t) => {
    const { server } = await start(t, () =>
      new ProtobufWriter()
        .message(1, status(7))
        .message(
          2,
          new ProtobufWriter().message(1, status(401)).message(2, option('WWW-Authenticate', 'Bearer')).text(3, 'who are you?'),
        )
        .finish(),
    );
    const { status: code, body, headers } = await ask(server.address);
    assert.deepEqual([code, body, headers['www-authenticate']], [401, 'who are you?', 'Bearer']);
  });

  it('refuses with 403 where it says no more than no', async (t) => {
    const { server, answers } = await start(t, () => new ProtobufWriter().message(1, status(16)).finish());
    assert.equal((await ask(server.address)).status, 403);
    const [answer] = answers;
    assert.ok(answer?.kind === 'refused');
    assert.deepEqual([answer.refusal.flag, answer.refusal.details], ['UAEX', 'ext_authz_denied']);
  });

  const silences: readonly { name: string; answer: () => Uint8Array | GrpcRefusal; reason: RegExp }[] = [
    { name: 'an-error', answer: () => ({ code: 14, details: 'away' }), reason: /gRPC status 14/ },
    { name: 'bytes-that-are-no-message', answer: () => Buffer.from([0x0a, 0x7f]), reason: /cannot be read/ },
    { name: 'a-status-that-is-no-message', answer: () => Buffer.from([0x0a, 0x02, 0x08, 0xff]), reason: /cannot be read/ },
    { name: 'a-status-of-another-type', answer: () => Buffer.from([0x08, 0x00]), reason: /cannot be read/ },
    {
      name: 'a-header-with-a-line-break',
      answer: () =>
        new ProtobufWriter()
          .message(1, status(0))
          .message(3, new ProtobufWriter().message(2, option('x-a', 'b\r\nx-admin: yes')))
          .finish(),
      reason: /x-a" is malformed/,
    },
  ];
  for (const { name, answer, reason } of silences)
    it(`has said nothing with ${name}: the request is refused, and that is told`, async (t) => {
      const { server, unanswered } = await start(t, answer, { config: { statusOnError: 503 } });
      assert.equal((await ask(server.address)).status, 503);
      assert.match(unanswered[0]?.reason ?? '', reason);
      assert.equal(unanswered[0]?.wentOn, false);
    });

  it('gets the beginning of the body, and the handler all of it', async (t) => {
    let seen: Buffer | undefined;
    const { server, bodies } = await start(
      t,
      (bytes) => {
        seen = inside(bytes, 1, 4, 2);
        return new ProtobufWriter().message(1, status(0)).finish();
      },
      { config: { maxBodyBytes: 10, allowPartialBody: true } },
    );
    await ask(server.address, { method: 'POST', body: 'a small one' });
    assert.equal(String(fieldsOf(seen!).get(11)![0]), 'a small on');
    assert.deepEqual(bodies, ['a small one']);
    await ask(server.address, { method: 'POST', body: Buffer.from([0xff, 0xfe]) });
    assert.deepEqual(fieldsOf(seen!).get(12)![0], Buffer.from([0xff, 0xfe]), 'what is no text goes as bytes');
  });

  it('gets an empty body of unknown length, and the handler its end', async (t) => {
    const { server, bodies } = await start(t, () => new ProtobufWriter().message(1, status(0)).finish(), {
      config: { maxBodyBytes: 10 },
    });
    const nothing = Readable.from((async function* () {})());
    assert.equal((await ask(server.address, { method: 'POST', body: nothing })).status, 200);
    const socket = await dial(Number(server.address.split(':')[1]));
    socket.write('POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n');
    assert.match(await readToEnd(socket), /^HTTP\/1.1 200 /);
    assert.deepEqual(bodies, ['', '']);
  });

  it('is not asked about a body that is longer than it may see', async (t) => {
    let asked = 0;
    const { server } = await start(
      t,
      () => {
        asked++;
        return new Uint8Array();
      },
      { config: { maxBodyBytes: 4 } },
    );
    assert.equal((await ask(server.address, { method: 'POST', body: 'too long' })).status, 413);
    assert.equal(asked, 0);
  });
});

describe('an authorizer over HTTP', () => {
  const start = async (t: TestContext, handler: (request: IncomingMessage, response: ServerResponse) => void, setup?: Setup) => {
    const checker = await startServer(handler);
    return { checker, ...(await guarded(t, checker.address, 'http', setup)) };
  };

  it('gets the method, the path after its prefix, and the headers that were named', async (t) => {
    const { checker, server } = await start(t, (_request, response) => response.end(), {
      config: {
        pathPrefix: '/check',
        requestHeaders: [{ kind: 'prefix', value: 'x-ask-' }],
        checkHeaders: { set: [['X-Mesh', 'yes']] },
      },
    });
    await ask(server.address, { method: 'PUT', headers: { authorization: 'Bearer t', 'x-ask-a': '1', cookie: 'secret' } });
    const [seen] = checker.requests;
    assert.deepEqual([seen?.method, seen?.url, seen?.headers.host], ['PUT', '/check/orders?page=2', server.address]);
    const { authorization, 'x-ask-a': asked, 'x-mesh': mesh, cookie } = seen!.headers;
    assert.deepEqual([authorization, asked, mesh, cookie], ['Bearer t', '1', 'yes', undefined]);
  });

  it('gives a request headers, and takes some', async (t) => {
    const { server, answers } = await start(
      t,
      (_request, response) =>
        response
          .writeHead(200, { 'x-user': 'ada', 'x-more': '1', 'x-other': '2', 'x-envoy-auth-headers-to-remove': 'Cookie, x-debug' })
          .end(),
      {
        config: {
          takenHeaders: [{ kind: 'exact', value: 'x-user' }],
          appendedHeaders: [{ kind: 'exact', value: 'x-more' }],
          responseHeaders: [{ kind: 'exact', value: 'x-other' }],
        },
      },
    );
    await ask(server.address);
    assert.deepEqual(answers, [
      {
        kind: 'allowed',
        edit: { remove: ['cookie', 'x-debug'], set: [['x-user', 'ada']], add: [['x-more', '1']] },
        responseHeaders: [['x-other', '2']],
      },
    ]);
  });

  it('refuses as it answered itself, several cookies included', async (t) => {
    const { server } = await start(t, (_request, response) =>
      response.writeHead(302, { location: 'https://login.example.org/', 'set-cookie': ['a=1', 'b=2'] }).end('go there'),
    );
    const { status: code, headers, body } = await ask(server.address);
    assert.deepEqual(
      [code, headers['location'], headers['set-cookie'], body],
      [302, 'https://login.example.org/', ['a=1', 'b=2'], 'go there'],
    );
  });

  it('shows the caller only what was named of a refusal', async (t) => {
    const { server } = await start(
      t,
      (_request, response) => response.writeHead(403, { 'x-inside': 'a', 'x-outside': 'b' }).end(),
      { config: { refusalHeaders: [{ kind: 'exact', value: 'x-outside' }] } },
    );
    const { headers } = await ask(server.address);
    assert.deepEqual([headers['x-inside'], headers['x-outside']], [undefined, 'b']);
  });

  it('has said nothing with 5xx, and requests go on where the policy says so', async (t) => {
    const { server, unanswered } = await start(t, (_request, response) => response.writeHead(500).end(), {
      config: { failOpen: true },
    });
    assert.equal((await ask(server.address)).status, 200);
    assert.deepEqual(unanswered, [{ reason: 'it answered 500', wentOn: true }]);
  });

  it('refuses a request that it cannot be asked about, though requests go on when it is silent', async (t) => {
    const { checker, server, unanswered } = await start(t, (_request, response) => response.writeHead(403).end(), {
      config: { failOpen: true, checkHeaders: { set: [['x-made', 'of\u0000what']] } },
    });
    assert.equal((await ask(server.address)).status, 403);
    assert.deepEqual([unanswered.map(({ wentOn }) => wentOn), checker.requests.length], [[false], 0]);
  });

  it('is asked without the headers of the connection of its caller, whatever list there is', async (t) => {
    const { checker, server } = await start(t, (_request, response) => response.writeHead(403).end(), {
      config: { failOpen: true, requestHeaders: [{ kind: 'prefix', value: '' }] },
    });
    const socket = await dial(Number(server.address.split(':')[1]));
    socket.write(
      'GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nproxy-connection: x\r\nhttp2-settings: x\r\nx-own: 1\r\nx-kept: 2\r\nconnection: close, X-Own\r\n\r\n',
    );
    assert.match(await readToEnd(socket), /HTTP\/1.1 403 /);
    const {
      expect,
      'proxy-connection': proxy,
      'http2-settings': settings,
      'x-own': own,
      'x-kept': kept,
    } = checker.requests[0]!.headers;
    assert.deepEqual([expect, proxy, settings, own, kept], [undefined, undefined, undefined, undefined, '2']);
  });

  it('that does not answer in time refuses with 403', async (t) => {
    const clock = createVirtualClock();
    const { checker, server, unanswered } = await start(t, () => {}, { clock, config: { timeoutMs: 200 } });
    const asked = ask(server.address);
    await eventually('it is asked', () => checker.requests.length === 1);
    await clock.advance(199);
    assert.equal(unanswered.length, 0);
    await clock.advance(1);
    assert.equal((await asked).status, 403);
    assert.match(unanswered.at(-1)?.reason ?? '', /no answer within 200 ms/);
  });

  it('is left alone when the caller is gone', async (t) => {
    let closed = 0;
    const { checker, server, cancels, answers } = await start(t, (_request, response) => response.on('close', () => closed++));
    void ask(server.address).catch(() => {});
    await eventually('it is asked', () => checker.requests.length === 1);
    cancels[0]!();
    await eventually('its connection is closed', () => closed === 1);
    assert.deepEqual(answers, []);
    server.server.closeAllConnections();
  });

  it('that is not there refuses', async (t) => {
    const { checker, server, unanswered } = await start(t, (_request, response) => response.end());
    await checker.kill();
    assert.equal((await ask(server.address)).status, 403);
    assert.equal(unanswered.length, 1);
  });
});
