import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import net, { type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Client } from 'undici';
import type { MeshErrorCode } from '../../../../src/base/errors.ts';
import { classifyError } from '../../../../src/data-plane/resilience/classify.ts';
import { serverKeyPair, testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { closedPort } from '../../../support/servers.ts';
import { answering, clientOf, h2, h2Server, headSeen, listen, send, type Ending } from './misbehaving-servers.ts';

interface Expected {
  readonly code: MeshErrorCode;
  readonly mayHaveBeenProcessed: boolean;
  readonly ours?: boolean;
}

function check({ error, phase }: Ending, { code, mayHaveBeenProcessed, ours = false }: Expected): void {
  assert.notEqual(error, undefined, 'the request succeeded');
  const failure = classifyError(error, phase);
  assert.deepEqual(
    { code: failure.code, mayHaveBeenProcessed: failure.mayHaveBeenProcessed, ours: failure.ours },
    { code, mayHaveBeenProcessed, ours },
    `${String(error)} ${JSON.stringify(phase)}`,
  );
  assert.equal(failure.cause, error);
  assert.ok(failure.reason.length > 10 && !failure.reason.includes('\n'), failure.reason);
}

const head = 'HTTP/1.1 200 OK\r\n';
async function* oneChunk(text = 'abc'): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

describe('classifyError on HTTP/1.1 sockets', () => {
  const table: {
    name: string;
    server: net.Server;
    request?: Parameters<typeof send>[1];
    options?: Client.Options;
    abortAt?: 'request' | 'response';
    expected: Expected;
  }[] = [
    {
      name: 'fin-before-response',
      server: answering((s) => s.end()),
      expected: { code: 'MESH_RESET', mayHaveBeenProcessed: true },
    },
    {
      name: 'rst-before-response',
      server: answering((s) => s.resetAndDestroy()),
      expected: { code: 'MESH_RESET', mayHaveBeenProcessed: true },
    },
    {
      name: 'fin-on-accept',
      server: net.createServer((s) => s.end()),
      expected: { code: 'MESH_RESET', mayHaveBeenProcessed: true },
    },
    {
      name: 'not-http',
      server: answering((s) => s.end('SSH-2.0-OpenSSH\r\n\r\n')),
      expected: { code: 'MESH_PROTOCOL_ERROR', mayHaveBeenProcessed: true },
    },
    {
      name: 'bad-status',
      server: answering((s) => s.end('HTTP/1.1 abc\r\n\r\n')),
      expected: { code: 'MESH_PROTOCOL_ERROR', mayHaveBeenProcessed: true },
    },
    {
      name: 'two-content-lengths',
      server: answering((s) => s.write(`${head}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd`)),
      expected: { code: 'MESH_PROTOCOL_ERROR', mayHaveBeenProcessed: true },
    },
    {
      name: 'content-length-and-chunked',
      server: answering((s) => s.write(`${head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`)),
      expected: { code: 'MESH_PROTOCOL_ERROR', mayHaveBeenProcessed: true },
    },
    {
      name: 'header-flood',
      server: answering((s) => s.write(`${head}x: ${'a'.repeat(70_000)}`)),
      expected: { code: 'MESH_PROTOCOL_ERROR', mayHaveBeenProcessed: true },
    },
    {
      name: 'unasked-100',
      server: answering((s) => s.write('HTTP/1.1 100 Continue\r\n\r\n')),
      expected: { code: 'MESH_PROTOCOL_ERROR', mayHaveBeenProcessed: true },
    },
    {
      name: 'unasked-upgrade',
      server: answering((s) => s.write('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')),
      expected: { code: 'MESH_PROTOCOL_ERROR', mayHaveBeenProcessed: true },
    },
    {
      name: 'short-body-fin',
      server: answering((s) => s.end(`${head}content-length: 9\r\n\r\nabc`)),
      expected: { code: 'MESH_BODY_ABORTED', mayHaveBeenProcessed: true },
    },
    {
      name: 'short-body-rst',
      server: answering((s, server) => {
        s.write(`${head}content-length: 9\r\n\r\nabc`);
        server.once(headSeen, () => s.resetAndDestroy());
      }),
      expected: { code: 'MESH_BODY_ABORTED', mayHaveBeenProcessed: true },
    },
    {
      name: 'bad-chunk',
      server: answering((s) => s.end(`${head}transfer-encoding: chunked\r\n\r\nzz\r\nabc`)),
      expected: { code: 'MESH_BODY_ABORTED', mayHaveBeenProcessed: true },
    },
    {
      name: 'chunks-cut-off',
      server: answering((s) => s.end(`${head}transfer-encoding: chunked\r\n\r\n5\r\nab`)),
      expected: { code: 'MESH_BODY_ABORTED', mayHaveBeenProcessed: true },
    },
    {
      name: 'no-response-in-time',
      server: answering(() => {}),
      request: { headersTimeout: 1 },
      expected: { code: 'MESH_PER_TRY_TIMEOUT', mayHaveBeenProcessed: true },
    },
    {
      name: 'body-stands-still',
      server: answering((s) => s.write(`${head}content-length: 9\r\n\r\nabc`)),
      request: { bodyTimeout: 1 },
      expected: { code: 'MESH_IDLE_TIMEOUT', mayHaveBeenProcessed: true },
    },
    {
      name: 'body-longer-than-allowed',
      server: answering((s) => s.write(`${head}content-length: 9\r\n\r\nabcdefghi`)),
      options: { maxResponseSize: 5 },
      expected: { code: 'MESH_BODY_ABORTED', mayHaveBeenProcessed: true, ours: true },
    },
    {
      name: 'bad-header-name',
      server: answering(() => {}),
      request: { headers: { 'a b': 'c' } },
      expected: { code: 'MESH_REQUEST_INVALID', mayHaveBeenProcessed: false, ours: true },
    },
    {
      name: 'expect-header',
      server: answering(() => {}),
      request: { headers: { expect: '100-continue' } },
      expected: { code: 'MESH_REQUEST_INVALID', mayHaveBeenProcessed: false, ours: true },
    },
    {
      name: 'body-shorter-than-said',
      server: answering(() => {}),
      request: { method: 'POST', body: 'abc', headers: { 'content-length': '5' } },
      expected: { code: 'MESH_REQUEST_INVALID', mayHaveBeenProcessed: false, ours: true },
    },
    {
      name: 'stream-shorter-than-said',
      server: answering(() => {}),
      request: { method: 'POST', body: oneChunk() as never, headers: { 'content-length': '5' } },
      expected: { code: 'MESH_REQUEST_INVALID', mayHaveBeenProcessed: true, ours: true },
    },
    {
      name: 'body-that-throws',
      server: answering(() => {}),
      request: {
        method: 'POST',
        body: (async function* () {
          yield Buffer.from('abc');
          throw new Error('the disk is gone');
        })() as never,
      },
      expected: { code: 'MESH_REQUEST_INVALID', mayHaveBeenProcessed: true, ours: true },
    },
    {
      name: 'abort-before-response',
      server: answering(() => {}),
      abortAt: 'request',
      expected: { code: 'MESH_REQUEST_INVALID', mayHaveBeenProcessed: true, ours: true },
    },
    {
      name: 'abort-at-response',
      server: answering((s) => s.write(`${head}content-length: 9\r\n\r\nabc`)),
      abortAt: 'response',
      expected: { code: 'MESH_REQUEST_INVALID', mayHaveBeenProcessed: true, ours: true },
    },
  ];
  for (const { name, server, request, options, abortAt, expected } of table) {
    it(`names what happened: ${name}`, async (t) => {
      const port = await listen(t, server);
      check(
        await send(clientOf(t, `http://127.0.0.1:${port}`, options), request, abortAt, () => server.emit(headSeen)),
        expected,
      );
    });
  }

  it('says that nothing was sent when the connection is refused', async (t) => {
    check(await send(clientOf(t, `http://127.0.0.1:${await closedPort()}`)), {
      code: 'MESH_CONNECT_FAILED',
      mayHaveBeenProcessed: false,
    });
  });

  it('says that nothing was sent when the name does not resolve', async (t) => {
    const lookup: net.LookupFunction = (_name, _options, callback) =>
      callback(Object.assign(new Error('getaddrinfo ENOTFOUND orders'), { code: 'ENOTFOUND' }), '');
    check(await send(clientOf(t, 'http://orders', { connect: { lookup } })), {
      code: 'MESH_CONNECT_FAILED',
      mayHaveBeenProcessed: false,
    });
  });

  it('takes the death of an idle connection under a second request for a reset', async (t) => {
    let requests = 0;
    const server = net.createServer((socket) =>
      socket.on('data', () => (++requests === 1 ? socket.write(`${head}content-length: 0\r\n\r\n`) : socket.destroy())),
    );
    const client = clientOf(t, `http://127.0.0.1:${await listen(t, server)}`);
    assert.equal((await send(client)).error, undefined);
    check(await send(client), { code: 'MESH_RESET', mayHaveBeenProcessed: true });
  });

  it('does not blame the host for a client that this process destroyed', async (t) => {
    const port = await listen(
      t,
      answering(() => {}),
    );
    const client = clientOf(t, `http://127.0.0.1:${port}`);
    await client.destroy();
    check(await send(client), { code: 'MESH_RESET', mayHaveBeenProcessed: false, ours: true });
  });

  it('does not blame the host when this process has no file descriptor left', () => {
    const program = fileURLToPath(new URL('out-of-descriptors.ts', import.meta.url));
    const { stdout, stderr } = spawnSync('sh', ['-c', `ulimit -n 64; exec "$0" "$1"`, process.execPath, program], {
      encoding: 'utf8',
    });
    assert.deepEqual(
      JSON.parse(stdout || '{}'),
      { system: 'EMFILE', code: 'MESH_CONNECT_FAILED', mayHaveBeenProcessed: false, ours: true },
      stderr,
    );
  });
});

describe('classifyError on HTTP/2 sockets', () => {
  const noError = 0;
  const internalError = 2;
  const refusedStream = 7;
  const cancel = 8;
  const calm = 11;
  const table: {
    name: string;
    onStream: (socket: Socket, stream: number, server: net.Server) => void;
    streamed?: boolean;
    sent?: number;
    expected: Expected;
  }[] = [
    {
      name: 'refused-stream',
      onStream: (s, id) => s.write(h2.reset(id, refusedStream)),
      sent: 2,
      expected: { code: 'MESH_REFUSED_STREAM', mayHaveBeenProcessed: false },
    },
    {
      name: 'refused-stream-with-streamed-body',
      onStream: (s, id) => s.write(h2.reset(id, refusedStream)),
      streamed: true,
      expected: { code: 'MESH_REFUSED_STREAM', mayHaveBeenProcessed: false },
    },
    {
      name: 'goaway-below-the-stream',
      onStream: (s) => s.end(h2.goaway(0, noError)),
      sent: 2,
      expected: { code: 'MESH_REFUSED_STREAM', mayHaveBeenProcessed: false },
    },
    {
      name: 'goaway-enhance-your-calm',
      onStream: (s) => s.end(h2.goaway(0, calm)),
      sent: 2,
      expected: { code: 'MESH_REFUSED_STREAM', mayHaveBeenProcessed: false },
    },
    {
      name: 'goaway-below-a-streamed-body',
      onStream: (s) => s.end(h2.goaway(0, noError)),
      streamed: true,
      expected: { code: 'MESH_REFUSED_STREAM', mayHaveBeenProcessed: false },
    },
    {
      name: 'goaway-after-the-stream',
      onStream: (s, id) => s.end(h2.goaway(id, noError)),
      expected: { code: 'MESH_RESET', mayHaveBeenProcessed: true },
    },
    {
      name: 'cancel',
      onStream: (s, id) => s.write(h2.reset(id, cancel)),
      expected: { code: 'MESH_RESET', mayHaveBeenProcessed: true },
    },
    {
      name: 'internal-error',
      onStream: (s, id) => s.write(h2.reset(id, internalError)),
      expected: { code: 'MESH_RESET', mayHaveBeenProcessed: true },
    },
    {
      name: 'reset-without-error',
      onStream: (s, id) => s.write(h2.reset(id, noError)),
      expected: { code: 'MESH_RESET', mayHaveBeenProcessed: true },
    },
    {
      name: 'malformed-headers',
      onStream: (s, id) => s.write(h2.malformed(id)),
      expected: { code: 'MESH_PROTOCOL_ERROR', mayHaveBeenProcessed: true },
    },
    {
      name: 'internal-error-in-the-body',
      onStream: (s, id, server) => {
        s.write(Buffer.concat([h2.head(id), h2.data(id, 'abc')]));
        server.once(headSeen, () => s.write(h2.reset(id, internalError)));
      },
      expected: { code: 'MESH_BODY_ABORTED', mayHaveBeenProcessed: true },
    },
    {
      name: 'closed-in-the-body',
      onStream: (s, id) => s.end(Buffer.concat([h2.head(id), h2.data(id, 'abc')])),
      expected: { code: 'MESH_BODY_ABORTED', mayHaveBeenProcessed: true },
    },
  ];
  for (const { name, onStream, streamed = false, sent = 1, expected } of table) {
    it(`names what happened: ${name}`, async (t) => {
      const server = h2Server(onStream);
      const port = await listen(t, server);
      const client = clientOf(t, `http://127.0.0.1:${port}`, { useH2c: true } as Client.Options);
      const ending = await send(client, { method: 'POST', body: streamed ? (oneChunk() as never) : 'abc' }, undefined, () =>
        server.emit(headSeen),
      );
      check(ending, expected);
      assert.equal(ending.sent, sent);
    });
  }

  it('takes an HTTP/1.1 answer for a broken protocol', async (t) => {
    const port = await listen(
      t,
      answering((s) => s.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    check(await send(clientOf(t, `http://127.0.0.1:${port}`, { useH2c: true } as Client.Options)), {
      code: 'MESH_PROTOCOL_ERROR',
      mayHaveBeenProcessed: true,
    });
  });
});

describe('classifyError on TLS sockets', () => {
  const table: { name: string; server: tls.TlsOptions; client: object; expected: Expected }[] = [
    { name: 'unknown-issuer', server: {}, client: {}, expected: { code: 'MESH_TLS_FAILED', mayHaveBeenProcessed: false } },
    {
      name: 'client-certificate-wanted',
      server: { requestCert: true, maxVersion: 'TLSv1.2' },
      client: { rejectUnauthorized: false },
      expected: { code: 'MESH_TLS_FAILED', mayHaveBeenProcessed: false },
    },
    // In TLS 1.3 the client has finished, and written, before the server says no: by then nobody can prove that nothing was read.
    {
      name: 'client-certificate-wanted-tls13',
      server: { requestCert: true },
      client: { rejectUnauthorized: false },
      expected: { code: 'MESH_RESET', mayHaveBeenProcessed: true },
    },
    {
      name: 'no-common-version',
      server: { maxVersion: 'TLSv1.2' },
      client: { minVersion: 'TLSv1.3', rejectUnauthorized: false },
      expected: { code: 'MESH_TLS_FAILED', mayHaveBeenProcessed: false },
    },
    {
      name: 'no-common-protocol',
      server: { ALPNProtocols: ['foo'] },
      client: { rejectUnauthorized: false },
      expected: { code: 'MESH_TLS_FAILED', mayHaveBeenProcessed: false },
    },
  ];
  for (const { name, server: options, client, expected } of table) {
    it(`names what happened: ${name}`, async (t) => {
      const issued = await workloadCertificate(await testAuthority(), 'orders');
      const server = tls.createServer({ ...serverKeyPair(issued), ...options });
      server.on('tlsClientError', () => {});
      const port = await listen(t, server);
      check(await send(clientOf(t, `https://127.0.0.1:${port}`, { connect: { servername: 'localhost', ...client } })), expected);
    });
  }

  it('takes a plaintext server for a TLS failure, not for a reset', async (t) => {
    const port = await listen(
      t,
      answering((s) => s.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    check(await send(clientOf(t, `https://127.0.0.1:${port}`, { connect: { rejectUnauthorized: false } })), {
      code: 'MESH_TLS_FAILED',
      mayHaveBeenProcessed: false,
    });
  });
});

describe('classifyError on the errors of our own connector', () => {
  const connectError = (kind: string): Error =>
    Object.assign(new Error(`no connection: ${kind}`), { name: 'ConnectError', kind });
  const table: (Expected & { kind: string })[] = [
    { kind: 'refused', code: 'MESH_CONNECT_FAILED', mayHaveBeenProcessed: false },
    { kind: 'network', code: 'MESH_CONNECT_FAILED', mayHaveBeenProcessed: false },
    { kind: 'timeout', code: 'MESH_CONNECT_TIMEOUT', mayHaveBeenProcessed: false },
    { kind: 'tls', code: 'MESH_TLS_FAILED', mayHaveBeenProcessed: false },
    { kind: 'identity', code: 'MESH_PEER_IDENTITY', mayHaveBeenProcessed: false },
    { kind: 'no-identity', code: 'MESH_NO_IDENTITY', mayHaveBeenProcessed: false, ours: true },
    { kind: 'local-resource', code: 'MESH_CONNECT_FAILED', mayHaveBeenProcessed: false, ours: true },
  ];
  for (const { kind, ...expected } of table) {
    it(`keeps what it found: ${kind}`, async (t: TestContext) => {
      const client = clientOf(t, 'http://192.0.2.1', { connect: (_options, callback) => callback(connectError(kind), null) });
      check(await send(client), expected);
    });
  }

  it('copes with a reason that is no Error', () => {
    assert.equal(classifyError('gone', { requestStarted: true, responseStarted: false }).ours, true);
  });
});
