import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { requestHeadFrom } from '../../../src/agents/request-head.ts';

const headOf = (...lines: readonly string[]): ReturnType<typeof requestHeadFrom> =>
  requestHeadFrom(['POST /a?b=c HTTP/1.1', ...lines].join('\r\n'));

describe('the head of a request', () => {
  it('keeps what is for the endpoint, in its order and case, repeated headers too', () => {
    const { method, path, headers } = headOf('Host: orders', 'X-B: 1', 'Cookie: a=1', 'x-b:2', 'X-Empty: ');
    assert.deepEqual([method, path], ['POST', '/a?b=c']);
    assert.deepEqual(headers, ['Host', 'orders', 'X-B', '1', 'Cookie', 'a=1', 'x-b', '2', 'X-Empty', '']);
  });

  it('has one list of cookies, which HTTP/2 would else get with a comma in it', () => {
    const { headers } = headOf('Cookie: a=1', 'X-A: 1', 'cookie: b=2; c=3', 'Cookie: d=4');
    assert.deepEqual(headers, ['Cookie', 'a=1; b=2; c=3; d=4', 'X-A', '1']);
  });

  const takenOut: readonly { name: string; lines: readonly string[]; kept: readonly string[] }[] = [
    { name: 'keep-alive', lines: ['Connection: keep-alive', 'Keep-Alive: timeout=5'], kept: [] },
    { name: 'close', lines: ['Connection: close', 'X-A: 1'], kept: ['X-A', '1'] },
    { name: 'named-by-connection', lines: ['X-A: 1', 'Connection: close, x-a ,X-B', 'x-b: 2', 'X-C: 3'], kept: ['X-C', '3'] },
    { name: 'named-by-a-second-connection', lines: ['Connection: close', 'Connection: X-A', 'X-A: 1'], kept: [] },
    { name: 'host-named-by-connection', lines: ['Host: orders', 'Connection: host'], kept: ['Host', 'orders'] },
    { name: 'upgrade-without-connection', lines: ['Upgrade: websocket'], kept: [] },
    { name: 'h2c', lines: ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMA'], kept: [] },
    { name: 'te-trailers', lines: ['TE: trailers'], kept: ['TE', 'trailers'] },
    { name: 'te-more', lines: ['TE: gzip'], kept: [] },
    { name: 'proxy-connection', lines: ['Proxy-Connection: keep-alive'], kept: [] },
    { name: 'trailer', lines: ['Trailer: X-Sum'], kept: [] },
    { name: 'framing', lines: ['Content-Length: 2', 'Transfer-Encoding: chunked'], kept: [] },
  ];
  for (const { name, lines, kept } of takenOut) {
    it(`loses what is for the next connection alone: ${name}`, () => {
      const head = headOf(...lines);
      assert.deepEqual(head.headers, kept);
      assert.equal(head.upgrade, undefined);
    });
  }

  const framed: readonly { name: string; lines: readonly string[]; framing: string; contentLength: number }[] = [
    { name: 'nothing-said', lines: [], framing: 'none', contentLength: 0 },
    { name: 'no-bytes', lines: ['Content-Length: 0'], framing: 'none', contentLength: 0 },
    { name: 'bytes', lines: ['content-length: 12'], framing: 'length', contentLength: 12 },
    { name: 'the-same-twice', lines: ['content-length: 12', 'Content-Length: 12'], framing: 'length', contentLength: 12 },
    { name: 'chunks', lines: ['transfer-encoding: Chunked'], framing: 'chunked', contentLength: 0 },
    {
      name: 'chunks-before-bytes',
      lines: ['content-length: 12', 'transfer-encoding: chunked'],
      framing: 'chunked',
      contentLength: 0,
    },
  ];
  for (const { name, lines, framing, contentLength } of framed) {
    it(`says how long the body is: ${name}`, () => {
      const head = headOf(...lines);
      assert.deepEqual([head.framing, head.contentLength], [framing, contentLength]);
    });
  }

  it('says what the connection is to become', () => {
    const head = headOf('Connection: keep-alive, Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13');
    assert.equal(head.upgrade, 'websocket');
    assert.deepEqual(head.headers, ['Sec-WebSocket-Version', '13']);
  });

  it('says that the program waits for a word before it sends the body', () => {
    assert.equal(headOf('Expect: 100-Continue').expectsContinue, true);
    assert.equal(headOf().expectsContinue, false);
  });

  const broken: readonly { name: string; text: string }[] = [
    { name: 'no-request-line', text: 'hello' },
    { name: 'another-version', text: 'GET / HTTP/1.0' },
    { name: 'no-colon', text: 'GET / HTTP/1.1\r\nhello\r\nA: b' },
    { name: 'two-lengths', text: 'GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2' },
    { name: 'signed-length', text: 'GET / HTTP/1.1\r\ncontent-length: +1' },
    { name: 'hexadecimal-length', text: 'GET / HTTP/1.1\r\ncontent-length: 0x1' },
    { name: 'list-of-lengths', text: 'GET / HTTP/1.1\r\ncontent-length: 1, 1' },
    { name: 'length-past-counting', text: 'GET / HTTP/1.1\r\ncontent-length: 99999999999999999999' },
    { name: 'another-coding', text: 'GET / HTTP/1.1\r\ntransfer-encoding: gzip, chunked' },
    { name: 'chunked-twice', text: 'GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked' },
    { name: 'chunked-with-a-tab', text: 'GET / HTTP/1.1\r\ntransfer-encoding: \x0bchunked' },
    { name: 'another-expectation', text: 'GET / HTTP/1.1\r\nexpect: tea' },
  ];
  for (const { name, text } of broken)
    it(`is refused: ${name}`, () => assert.throws(() => requestHeadFrom(text), { code: 'MESH_REQUEST_INVALID' }));

  it('is refused without a word of its query, where secrets are', () => {
    assert.throws(
      () => requestHeadFrom('GET /?token=secret HTTP/1.0'),
      ({ message }: Error) => !message.includes('secret'),
    );
  });
});
