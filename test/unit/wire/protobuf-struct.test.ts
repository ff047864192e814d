import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProtobufWriter } from '../../../src/wire/protobuf.ts';
import { readStruct, structMessage, type StructFields } from '../../../src/wire/protobuf-struct.ts';

/** As protobuf's own parser makes them: with a prototype. */
const plain = (fields: StructFields | undefined): unknown => JSON.parse(JSON.stringify(fields ?? null)) as unknown;

describe('google.protobuf.Struct', () => {
  it('comes back as it was written', () => {
    const fields = {
      text: 'käse',
      number: -1.5,
      yes: true,
      no: false,
      nothing: null,
      list: ['a', 1, [true]],
      more: { a: { b: '' } },
    };
    assert.deepEqual(plain(readStruct(structMessage(fields))), fields);
  });

  it('has the same bytes whatever the order of its names', () => {
    assert.deepEqual(structMessage({ b: 'x', a: { d: '1', c: '2' } }), structMessage({ a: { c: '2', d: '1' }, b: 'x' }));
  });

  it('has the bytes of protobuf', () => {
    // {"a": "b"}: field 1 of 8 bytes = entry { 1: "a", 2: Value { 3: "b" } }
    assert.equal(Buffer.from(structMessage({ a: 'b' })).toString('hex'), '0a080a016112031a0162');
  });

  it('is read without following a name to a prototype', () => {
    const fields = readStruct(structMessage(JSON.parse('{"__proto__": "x"}') as StructFields))!;
    assert.deepEqual(Object.entries(fields), [['__proto__', 'x']]);
  });

  const deep = (levels: number): ProtobufWriter => {
    const value = new ProtobufWriter();
    if (levels > 0)
      value.message(5, new ProtobufWriter().message(1, new ProtobufWriter().text(1, 'a').message(2, deep(levels - 1))));
    return value;
  };
  const broken: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
    { name: 'no-message', bytes: Buffer.from([0xff]) },
    { name: 'cut-off', bytes: structMessage({ name: 'value' }).subarray(0, -1) },
    {
      name: 'no-value',
      bytes: new ProtobufWriter().message(1, new ProtobufWriter().text(1, 'a').bytes(2, Buffer.from([0x1a, 9]))).finish(),
    },
    {
      name: 'too-deep',
      bytes: new ProtobufWriter().message(1, new ProtobufWriter().text(1, 'a').message(2, deep(100))).finish(),
    },
  ];
  for (const { name, bytes } of broken) it(`is none: ${name}`, () => assert.equal(readStruct(bytes), undefined));
});
