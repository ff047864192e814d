import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FramedBody } from '../../../src/agents/body-framing.ts';

function contentOf(body: FramedBody, ...pieces: readonly string[]): string {
  let content = '';
  for (const piece of pieces) body.read(Buffer.from(piece, 'latin1'), (bytes) => (content += bytes.toString('latin1')));
  return content;
}

describe('a body in chunks', () => {
  const text = '3\r\nabc\r\n0a\r\n0\r\n\r\n45678\r\n0\r\nX-Sum: 7\r\n\r\n';

  it('is read wherever it is cut', () => {
    for (let cut = 0; cut <= text.length; cut++) {
      const body = new FramedBody('chunked', 0);
      assert.equal(contentOf(body, text.slice(0, cut), text.slice(cut)), 'abc0\r\n\r\n45678');
      assert.equal(body.isComplete, true);
    }
    assert.equal(contentOf(new FramedBody('chunked', 0), ...text.split('')), 'abc0\r\n\r\n45678');
  });

  it('is not whole before its last empty line', () => {
    for (let cut = 0; cut < text.length; cut++) {
      const body = new FramedBody('chunked', 0);
      contentOf(body, text.slice(0, cut));
      assert.equal(body.isComplete, false);
      assert.throws(() => body.end(), { code: 'MESH_REQUEST_INVALID' });
    }
  });

  const broken: readonly { name: string; text: string }[] = [
    { name: 'no-size', text: '\r\n' },
    { name: 'signed-size', text: '-1\r\n' },
    { name: 'size-with-space', text: '3 \r\nabc\r\n' },
    { name: 'extension', text: '3;a=b\r\nabc\r\n' },
    { name: 'line-feed-alone', text: '3\nabc\r\n' },
    { name: 'too-much', text: '3\r\nabcd\r\n' },
    { name: 'huge-size', text: 'ffffffffffffffff\r\n' },
    { name: 'endless-size', text: '0'.repeat(100) },
    { name: 'after-the-last', text: '0\r\n\r\nGET /' },
  ];
  for (const { name, text: bytes } of broken)
    it(`is refused: ${name}`, () =>
      assert.throws(() => contentOf(new FramedBody('chunked', 0), bytes), { code: 'MESH_REQUEST_INVALID' }));
});

describe('a body with a length', () => {
  it('is whole with its last byte', () => {
    const body = new FramedBody('length', 5);
    assert.equal(contentOf(body, 'ab', 'cde'), 'abcde');
    assert.equal(body.isComplete, true);
    assert.throws(() => contentOf(body, 'f'), { code: 'MESH_REQUEST_INVALID' });
  });

  it('is refused when it is longer', () =>
    assert.throws(() => contentOf(new FramedBody('length', 2), 'abc'), { code: 'MESH_REQUEST_INVALID' }));

  it('is refused when it is shorter', () => {
    const body = new FramedBody('length', 5);
    contentOf(body, 'ab');
    assert.throws(() => body.end(), /3 bytes too soon/);
  });
});

describe('a body of which nothing is said', () => {
  it('is not there, where there is none', () => {
    const body = new FramedBody('none', 0);
    assert.equal(body.isComplete, true);
    assert.equal(contentOf(body, ''), '');
    assert.throws(() => contentOf(body, 'a'), { code: 'MESH_REQUEST_INVALID' });
  });

  it('ends with its request', () => {
    const body = new FramedBody('open', 0);
    assert.equal(contentOf(body, 'a', 'b'), 'ab');
    body.end();
    assert.equal(body.isComplete, true);
  });
});
