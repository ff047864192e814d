import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Findings, type Message } from '../../../../src/control-plane/xds/translate/message.ts';

function messageOf(value: object): { readonly message: Message; readonly findings: Findings } {
  const findings = new Findings();
  return { message: findings.message(value, 'top')!, findings };
}

describe('a message of protobuf in JSON', () => {
  it('is read in both spellings', () => {
    assert.equal(messageOf({ path_separated_prefix: '/a' }).message.text('path_separated_prefix'), '/a');
    assert.equal(messageOf({ pathSeparatedPrefix: '/a' }).message.text('path_separated_prefix'), '/a');
    // The JSON name of consecutive_5xx has lost its underscore.
    assert.equal(messageOf({ consecutive5xx: 3 }).message.whole('consecutive_5xx'), 3);
  });

  it('may not have a field in both spellings at once', () => {
    const { findings } = messageOf({ connect_timeout: '1s', connectTimeout: '2s' });
    assert.deepEqual(findings.problems, [
      { path: 'top.connectTimeout', reason: 'is there twice, in both spellings; keep one of them' },
    ]);
  });

  it('takes wrappers, digits in texts, and null for what is not there', () => {
    const { message, findings } = messageOf({ a: { value: 5 }, b: '7', c: null, d: { value: true }, e: 'true' });
    assert.equal(message.whole('a'), 5);
    assert.equal(message.whole('b'), 7);
    assert.equal(message.whole('c'), undefined);
    assert.equal(message.flag('d'), true);
    assert.equal(message.flag('e'), true);
    assert.deepEqual(findings.problems, []);
  });

  it('takes an enum by its name and by its number, and no other', () => {
    const names = ['DEFAULT', undefined, 'HIGH'] as const;
    assert.equal(messageOf({ a: 'HIGH' }).message.choice('a', names), 'HIGH');
    assert.equal(messageOf({ a: 2 }).message.choice('a', names), 'HIGH');
    for (const a of ['high', 1, 3, -1, true]) {
      const { message, findings } = messageOf({ a });
      assert.equal(message.choice('a', names), undefined);
      assert.equal(findings.problems.length, 1, String(a));
    }
  });

  it('reports what has the wrong type, by path', () => {
    const { message, findings } = messageOf({
      text: 5,
      whole: 1.5,
      negative: -1,
      flag: 'yes',
      list: {},
      message: [],
      texts: ['a', 1],
    });
    message.text('text');
    message.whole('whole');
    message.whole('negative');
    message.flag('flag');
    message.messages('list');
    message.message('message');
    message.texts('texts');
    assert.deepEqual(
      findings.problems.map(({ path }) => path),
      ['top.text', 'top.whole', 'top.negative', 'top.flag', 'top.list', 'top.message', 'top.texts[1]'],
    );
  });

  it('reports every field that nobody read, unless it is the default', () => {
    const { message, findings } = messageOf({
      read: 1,
      notRead: 1,
      off: false,
      empty: '',
      none: [],
      inner: { x: 1 },
      '@type': 'a/b',
    });
    message.whole('read');
    message.message('inner');
    findings.reportUnread();
    assert.deepEqual(
      findings.unhonoured.map(({ path }) => path),
      ['top.notRead', 'top.inner.x'],
    );
  });

  it('says what an Any is, of a TypedStruct too', () => {
    const any = messageOf({ config: { '@type': 'type.googleapis.com/envoy.x.v3.Y', a: 1 } }).message.any('config')!;
    assert.equal(any.type, 'envoy.x.v3.Y');
    assert.equal(any.message.whole('a'), 1);
    const struct = messageOf({
      config: {
        '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
        typeUrl: 'type.googleapis.com/envoy.x.v3.Y',
        value: { a: 1 },
      },
    }).message.any('config')!;
    assert.equal(struct.type, 'envoy.x.v3.Y');
    assert.equal(struct.message.whole('a'), 1);
  });

  it('reports a duration below a millisecond, which is none', () => {
    const { message, findings } = messageOf({ timeout: '0.0005s' });
    assert.equal(message.durationMs('timeout'), 0);
    assert.equal(findings.unhonoured.length, 1);
  });

  it('has bytes in base64', () => {
    const { message, findings } = messageOf({ good: 'AQID', url: '_-8=', bad: 'a b', number: 5 });
    assert.deepEqual([...message.bytes('good')!, ...message.bytes('url')!], [1, 2, 3, 255, 239]);
    assert.deepEqual([message.bytes('none'), message.bytes('bad'), message.bytes('number')], [undefined, undefined, undefined]);
    assert.deepEqual(
      findings.problems.map(({ path }) => path),
      ['top.bad', 'top.number'],
    );
  });

  it('reports the first thousand findings of a kind', () => {
    const fields = Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`a${index}`, 1]));
    const { findings } = messageOf(fields);
    findings.reportUnread();
    assert.equal(findings.unhonoured.length, 1001);
    assert.equal(findings.unhonoured.at(-1)!.reason, 'there is more of this kind');
  });
});
