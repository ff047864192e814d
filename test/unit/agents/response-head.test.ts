import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { interimHeadOf, linesOf, responseHeadOf } from '../../../src/agents/response-head.ts';

const raw = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'));

describe('the head of a response', () => {
  const heads: readonly {
    name: string;
    method?: string;
    status?: number;
    headers: readonly string[];
    text: string;
    framing: string;
  }[] = [
    {
      name: 'length',
      headers: ['A', '1', 'Content-Length', '3', 'a', '2'],
      text: 'A: 1|Content-Length: 3|a: 2',
      framing: 'length',
    },
    {
      name: 'chunks',
      headers: ['TRANSFER-Encoding', 'chunked', 'A', '1'],
      text: 'TRANSFER-Encoding: chunked|A: 1',
      framing: 'chunked',
    },
    {
      name: 'both',
      headers: ['Content-Length', '3', 'Transfer-Encoding', 'chunked'],
      text: 'Transfer-Encoding: chunked',
      framing: 'chunked',
    },
    { name: 'neither', headers: ['A', '1'], text: 'A: 1|transfer-encoding: chunked', framing: 'chunked' },
    {
      name: 'other-coding',
      headers: ['Transfer-Encoding', 'gzip'],
      text: 'Transfer-Encoding: gzip, chunked',
      framing: 'chunked',
    },
    {
      name: 'same-length-twice',
      headers: ['Content-Length', '3', 'content-length', '3'],
      text: 'Content-Length: 3',
      framing: 'length',
    },
    { name: 'head', method: 'HEAD', headers: ['Content-Length', '3'], text: 'Content-Length: 3', framing: 'none' },
    { name: 'head-of-nothing', method: 'HEAD', headers: ['A', '1'], text: 'A: 1', framing: 'none' },
    { name: 'no-content', status: 204, headers: ['Content-Length', '3', 'A', '1'], text: 'A: 1', framing: 'none' },
    { name: 'no-content-in-chunks', status: 204, headers: ['Transfer-Encoding', 'chunked'], text: '', framing: 'none' },
    { name: 'not-modified', status: 304, headers: ['Content-Length', '3'], text: 'Content-Length: 3', framing: 'none' },
    {
      name: 'bytes',
      headers: ['A', 'caf\xe9\xff', 'content-length', '0'],
      text: 'A: caf\xe9\xff|content-length: 0',
      framing: 'length',
    },
  ];
  for (const { name, method = 'GET', status = 200, headers, text, framing } of heads) {
    it(`has one framing, and the headers as they came: ${name}`, () => {
      const head = responseHeadOf(method, status, 'Fine', raw(...headers), {});
      assert.equal(head.framing, framing);
      assert.equal(head.text, `HTTP/1.1 ${status} Fine\r\n${text === '' ? '' : `${text.replaceAll('|', '\r\n')}\r\n`}\r\n`);
    });
  }

  const injections: readonly { name: string; headers: readonly string[] }[] = [
    { name: 'value-with-a-line', headers: ['A', 'b\r\nSet-Cookie: admin=1'] },
    { name: 'value-with-a-carriage-return', headers: ['A', 'b\rc'] },
    { name: 'value-with-a-line-feed', headers: ['A', 'b\nc'] },
    { name: 'value-with-zero', headers: ['A', 'b\0c'] },
    { name: 'name-with-a-line', headers: ['A: b\r\nC', 'd'] },
    { name: 'name-with-a-space', headers: ['Content-Length ', '3'] },
    { name: 'empty-name', headers: ['', 'a'] },
    { name: 'two-lengths', headers: ['Content-Length', '3', 'Content-Length', '4'] },
    { name: 'signed-length', headers: ['Content-Length', '+3'] },
    { name: 'coding-with-a-line', headers: ['Transfer-Encoding', 'chunked\r\nA: b, chunked'] },
  ];
  for (const { name, headers } of injections) {
    it(`never holds more than was said: ${name}`, () => {
      assert.throws(() => responseHeadOf('GET', 200, 'OK', raw(...headers), {}), { code: 'MESH_PROTOCOL_ERROR' });
      if (!name.includes('length') || name.includes('name')) {
        assert.throws(() => interimHeadOf(103, 'Early Hints', raw(...headers), {}), { code: 'MESH_PROTOCOL_ERROR' });
        assert.throws(() => linesOf(undefined, { [headers[0]!]: headers[1] }), { code: 'MESH_PROTOCOL_ERROR' });
      }
    });
  }

  it('has no line in its reason phrase', () => {
    assert.equal(interimHeadOf(103, 'a\r\nB: c', [], {}), 'HTTP/1.1 103 a??B: c\r\n\r\n');
    assert.equal(interimHeadOf(103, '☕', [], {}), 'HTTP/1.1 103 ?\r\n\r\n');
  });

  for (const status of [0, 99, 1000, 200.5, Number.NaN])
    it(`has a status of three digits: ${status}`, () =>
      assert.throws(() => interimHeadOf(status, '', [], {}), { code: 'MESH_PROTOCOL_ERROR' }));

  it('of HTTP/2 gets the usual phrase, and loses pseudo-headers', () => {
    const { text } = responseHeadOf('GET', 404, '', undefined, {
      ':status': '404',
      'set-cookie': ['a', 'b'],
      'content-length': '0',
    });
    assert.equal(text, 'HTTP/1.1 404 Not Found\r\nset-cookie: a\r\nset-cookie: b\r\ncontent-length: 0\r\n\r\n');
  });
});
