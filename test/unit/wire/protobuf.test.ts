import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../src/base/runtime.ts';
import { ProtobufReader, ProtobufWriter } from '../../../src/wire/protobuf.ts';

const readerOf = (hex: string): ProtobufReader => new ProtobufReader(Buffer.from(hex, 'hex'));

/** Each field by its number and whatever it can be read as; `broken` at the end of what is no message. */
function fieldsOf(reader: ProtobufReader): unknown[] {
  const found: unknown[] = [];
  while (reader.next()) {
    const bytes = reader.bytes();
    const text = bytes === undefined ? undefined : Buffer.from(bytes).toString();
    found.push([reader.field, text ?? reader.double() ?? reader.varint()]);
  }
  return reader.isBroken ? [...found, 'broken'] : found;
}

describe('a reader of protobuf', () => {
  for (const { name, hex, fields } of [
    { name: 'empty', hex: '', fields: [] },
    { name: 'varint', hex: '089601', fields: [[1, 150]] },
    { name: 'varint-of-53-bits', hex: '08ffffffffffffff0f', fields: [[1, Number.MAX_SAFE_INTEGER]] },
    { name: 'text', hex: '120774657374696e67', fields: [[2, 'testing']] },
    { name: 'empty-text', hex: '1200', fields: [[2, '']] },
    { name: 'double', hex: '19000000000000f83f', fields: [[3, 1.5]] },
    { name: 'number-of-two-bytes', hex: '800101', fields: [[16, 1]] },
    { name: 'greatest-number', hex: 'f8ffffff0f01', fields: [[2 ** 29 - 1, 1]] },
    {
      name: 'fixed32-is-passed-over',
      hex: '0d010203041001',
      fields: [
        [1, undefined],
        [2, 1],
      ],
    },
    {
      name: 'field-twice',
      hex: '08010802',
      fields: [
        [1, 1],
        [1, 2],
      ],
    },
    { name: 'number-zero', hex: '0001', fields: ['broken'] },
    { name: 'number-too-great', hex: '808080801001', fields: ['broken'] },
    { name: 'tag-cut-short', hex: '80', fields: ['broken'] },
    { name: 'no-value', hex: '08', fields: [[1, undefined], 'broken'] },
    { name: 'endless-varint', hex: `08${'ff'.repeat(11)}`, fields: [[1, undefined], 'broken'] },
    { name: 'text-beyond-the-end', hex: '120941', fields: [[2, undefined], 'broken'] },
    { name: 'text-of-2-to-the-69', hex: `12${'ff'.repeat(9)}7f41`, fields: [[2, undefined], 'broken'] },
    { name: 'double-cut-short', hex: '1900', fields: [[3, undefined], 'broken'] },
    { name: 'fixed32-cut-short', hex: '0d0102', fields: [[1, undefined], 'broken'] },
    { name: 'group', hex: '0b0c', fields: [[1, undefined], 'broken'] },
    { name: 'wire-type-that-nobody-knows', hex: '0f', fields: [[1, undefined], 'broken'] },
  ])
    it(`reads ${name}`, () => assert.deepEqual(fieldsOf(readerOf(hex)), fields));

  it('passes over what nobody reads, and reads no value twice', () => {
    const reader = readerOf('08960112036162631900000000000000002001');
    assert.equal(reader.next() && reader.next() && reader.next() && reader.next(), true);
    assert.deepEqual(
      [reader.field, reader.bytes(), reader.double(), reader.varint(), reader.varint()],
      [4, undefined, undefined, 1, undefined],
    );
    assert.equal(reader.next(), false);
    assert.equal(reader.isBroken, false);
  });

  it('reads a view of a larger buffer, and not beside it', () => {
    const whole = Buffer.from('ffff19000000000000f83fffff', 'hex');
    assert.deepEqual(fieldsOf(new ProtobufReader(whole.subarray(2, 11))), [[3, 1.5]]);
    assert.deepEqual(fieldsOf(new ProtobufReader(whole.subarray(2, 10))), [[3, undefined], 'broken']);
  });

  it('comes to an end on any bytes, and throws nothing', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 5000; round++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 24) }, () => Math.floor(random() * 256));
      assert.ok(fieldsOf(new ProtobufReader(bytes)).length <= bytes.length + 1);
    }
  });
});

describe('a text field', () => {
  for (const { name, field, text, hex } of [
    { name: 'short', field: 1, text: 'abc', hex: '0a03616263' },
    { name: 'number-of-two-bytes', field: 16, text: 'a', hex: '82010161' },
    { name: 'length-of-two-bytes', field: 1, text: 'x'.repeat(200), hex: `0ac801${'78'.repeat(200)}` },
    { name: 'length-in-utf8', field: 1, text: 'é', hex: '0a02c3a9' },
  ])
    it(`is written and read: ${name}`, () => {
      const message = Buffer.from(new ProtobufWriter().text(field, text).finish());
      assert.equal(message.toString('hex'), hex);
      assert.deepEqual(fieldsOf(new ProtobufReader(message)), [[field, text]]);
    });
});

describe('a writer of protobuf', () => {
  const written = (write: (writer: ProtobufWriter) => void): string => {
    const writer = new ProtobufWriter();
    write(writer);
    return Buffer.from(writer.finish()).toString('hex');
  };
  const inner = new ProtobufWriter().varint(1, 150);

  const rows: readonly { name: string; write: (writer: ProtobufWriter) => void; hex: string }[] = [
    { name: 'nothing', write: () => undefined, hex: '' },
    { name: 'varint', write: (writer) => writer.varint(1, 150), hex: '089601' },
    { name: 'varint-of-53-bits', write: (writer) => writer.varint(1, Number.MAX_SAFE_INTEGER), hex: '08ffffffffffffff0f' },
    { name: 'negative-varint', write: (writer) => writer.varint(1, -2), hex: '08feffffffffffffffff01' },
    { name: 'double', write: (writer) => writer.double(3, 1.5), hex: '19000000000000f83f' },
    { name: 'float', write: (writer) => writer.float(3, 1.5), hex: '1d0000c03f' },
    { name: 'text', write: (writer) => writer.text(2, 'testing'), hex: '120774657374696e67' },
    { name: 'empty-text', write: (writer) => writer.text(2, ''), hex: '1200' },
    { name: 'text-in-utf8', write: (writer) => writer.text(1, 'é'), hex: '0a02c3a9' },
    { name: 'bytes', write: (writer) => writer.bytes(16, Buffer.of(1, 2)), hex: '8201020102' },
    { name: 'message', write: (writer) => writer.message(3, inner), hex: '1a03089601' },
    { name: 'message-in-bytes', write: (writer) => writer.message(3, inner.finish()), hex: '1a03089601' },
    { name: 'more-than-its-first-room', write: (writer) => writer.text(1, 'x'.repeat(400)), hex: `0a9003${'78'.repeat(400)}` },
  ];
  for (const { name, write, hex } of rows) it(`writes ${name}`, () => assert.equal(written(write), hex));

  it('writes many fields one after another, which are read again', () => {
    const writer = new ProtobufWriter();
    for (let field = 1; field <= 300; field++) writer.varint(field, field * 1000).text(field, `text ${field}`);
    const fields = fieldsOf(new ProtobufReader(writer.finish()));
    assert.equal(fields.length, 600);
    assert.deepEqual(fields.slice(-2), [
      [300, 300_000],
      [300, 'text 300'],
    ]);
  });

  it('gives bytes of their own, and can go on after it', () => {
    const writer = new ProtobufWriter().varint(1, 1);
    const first = writer.finish();
    const second = writer.varint(2, 2).finish();
    assert.deepEqual([Buffer.from(first).toString('hex'), Buffer.from(second).toString('hex')], ['0801', '08011002']);
  });

  it('refuses what no field can hold', () => {
    for (const value of [0.5, Number.NaN, 2 ** 53, -Infinity])
      assert.throws(() => new ProtobufWriter().varint(1, value), RangeError);
    for (const field of [0, -1, 1.5, 2 ** 29]) assert.throws(() => new ProtobufWriter().varint(field, 1), RangeError);
  });
});
