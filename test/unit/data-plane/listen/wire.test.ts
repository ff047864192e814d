/** T-WIRE: what could be read in two ways is not read at all (RFC 9112, RFC 9113). */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { openPort } from '../../../support/http-port.ts';

const seen: string[] = [];
const broken: string[] = [];
const port = await openPort('h1', {
  limits: { maxHeaderBytes: 4_096 },
  onBroken: (_socket, reason) => broken.push(reason),
  onRequest: (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.resume();
    request.on('end', () => response.end('ok'));
    request.on('error', () => {});
  },
});

/** Sends bytes, and gives the status lines that come back until the server closes. */
function statusesOf(bytes: string): Promise<string[]> {
  return new Promise((resolve) => {
    const socket = connect(port.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', () => resolve([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]!)));
    socket.on('error', () => {});
    socket.write(bytes, 'latin1');
  });
}

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

const rows: readonly {
  readonly name: string;
  readonly head: string;
  readonly body?: string;
  readonly status?: string;
  readonly reaches?: boolean;
}[] = [
  {
    name: 'transfer-encoding-and-content-length',
    head: 'Transfer-Encoding: chunked\r\nContent-Length: 6',
    body: `0\r\n\r\n${smuggled}`,
  },
  {
    name: 'content-length-and-transfer-encoding',
    head: 'Content-Length: 6\r\nTransfer-Encoding: chunked',
    body: `0\r\n\r\n${smuggled}`,
  },
  { name: 'two-content-lengths', head: 'Content-Length: 0\r\nContent-Length: 36', body: smuggled },
  { name: 'two-equal-content-lengths', head: 'Content-Length: 0\r\nContent-Length: 0', body: smuggled },
  { name: 'a-list-of-content-lengths', head: 'Content-Length: 0, 0', body: smuggled },
  { name: 'content-length-with-sign', head: 'Content-Length: +0', body: smuggled },
  { name: 'content-length-in-hex', head: 'Content-Length: 0x24', body: smuggled },
  { name: 'content-length-that-overflows', head: 'Content-Length: 18446744073709551616', body: smuggled },
  { name: 'space-before-the-colon', head: 'Content-Length : 36', body: smuggled },
  { name: 'space-before-the-colon-of-transfer-encoding', head: 'Transfer-Encoding : chunked', body: `0\r\n\r\n${smuggled}` },
  { name: 'folded-line', head: 'X-A: b\r\n Content-Length: 36', body: smuggled },
  { name: 'bare-line-feed', head: 'X-A: b\nContent-Length: 36', body: smuggled },
  { name: 'bare-carriage-return', head: 'X-A: b\rContent-Length: 36', body: smuggled },
  { name: 'null-in-a-value', head: 'X-A: b\0c' },
  { name: 'control-in-a-name', head: 'X\x01A: b' },
  { name: 'chunked-is-not-last', head: 'Transfer-Encoding: chunked, identity', body: `0\r\n\r\n${smuggled}` },
  { name: 'unknown-transfer-encoding', head: 'Transfer-Encoding: xchunked', body: `0\r\n\r\n${smuggled}` },
  { name: 'transfer-encoding-in-disguise', head: 'Transfer-Encoding: \x0bchunked', body: `0\r\n\r\n${smuggled}` },
  { name: 'no-colon', head: 'Content-Length' },
  { name: 'too-large', head: `X-A: ${'a'.repeat(5_000)}`, status: '431' },
];

describe('T-WIRE: a request that could be read in two ways', () => {
  for (const { name, head, body = '', status = '400' } of rows)
    it(`${name} is refused, and nothing behind it is read`, async () => {
      seen.length = broken.length = 0;
      const statuses = await statusesOf(`POST /first HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n${body}`);
      assert.deepEqual(statuses, [status]);
      assert.equal(broken.length, 1);
      assert.ok(!seen.includes('GET /smuggled'), seen.join());
    });

  for (const [name, bytes] of [
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['bare line feeds', 'GET / HTTP/1.1\nHost: a\n\n'],
    ['space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['no version', 'GET /\r\n\r\n'],
    ['another version', 'GET / HTTP/3.0\r\nHost: a\r\n\r\n'],
    ['garbage', '\x80\x81\x82\x83\r\n\r\n'],
    ['an unknown method', 'SMUGGLE / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a chunk size that is none', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n'],
    ['a chunk longer than its size', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n'],
    ['a chunk ended by a bare line feed', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\n0\n\n'],
  ] as const)
    it(`${name} is refused`, async () => assert.deepEqual(await statusesOf(bytes), ['400']));

  it('the flag of the process for a lenient parser changes nothing', async () => {
    const child = spawn(
      process.execPath,
      ['--insecure-http-parser', '--no-warnings', '--conditions=meshfetch-source', '--input-type=module', '-e', lenient],
      { cwd: process.cwd(), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    assert.match(String(text), /^HTTP\/1\.1 400 /);
  });

  it('requests behind one another are answered in their order', async () => {
    const statuses = await statusesOf(`${smuggled}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    assert.deepEqual(statuses, ['200', '200']);
  });
});

const lenient = `
import { createServer, connect } from 'node:net';
import { createHttpServers } from './src/data-plane/listen/http-servers.ts';
import { systemClock } from './src/base/runtime.ts';
const servers = createHttpServers({ http2: 'bridge', clock: systemClock, onRequest: (q, s) => s.end('ok') });
const server = createServer((socket) => servers.serve(socket, 'http/1.1')).listen(0, '127.0.0.1', () => {
  const socket = connect(server.address().port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length : 3\\r\\n\\r\\nabc'));
  socket.on('data', (chunk) => { process.stdout.write(chunk); process.exit(); });
});
`;
