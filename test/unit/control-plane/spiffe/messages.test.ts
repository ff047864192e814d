import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { splitDer } from '../../../../src/control-plane/spiffe/der.ts';
import {
  readJwtSvids,
  readValidated,
  readX509Bundles,
  readX509Svids,
  writeJwtSvidRequest,
} from '../../../../src/control-plane/spiffe/messages.ts';
import { ProtobufWriter } from '../../../../src/wire/protobuf.ts';

const response = new ProtobufWriter()
  .message(
    1,
    new ProtobufWriter()
      .text(1, 'spiffe://own.test/web')
      .bytes(2, Uint8Array.of(1))
      .bytes(3, Uint8Array.of(2))
      .bytes(4, Uint8Array.of(3))
      .text(5, 'internal'),
  )
  .bytes(2, Uint8Array.of(9))
  .message(3, new ProtobufWriter().text(1, 'spiffe://other.test').bytes(2, Uint8Array.of(4)))
  .text(99, 'of a later version')
  .finish();

describe('the messages of the Workload API', () => {
  it('are read, and fields of later versions passed over', () => {
    const message = readX509Svids(response);
    assert.deepEqual(
      { ...message, federated: [...message!.federated].map(([key, value]) => [key, [...value]]) },
      {
        svids: [
          {
            spiffeId: 'spiffe://own.test/web',
            certificates: Uint8Array.of(1),
            privateKey: Uint8Array.of(2),
            bundle: Uint8Array.of(3),
            hint: 'internal',
          },
        ],
        crls: 1,
        federated: [['spiffe://other.test', [4]]],
      },
    );
  });

  it('are none when they are cut off inside of a field', () => {
    const complete = new Set<number>();
    for (let length = 0; length < response.length; length++)
      if (readX509Svids(response.subarray(0, length)) !== undefined) complete.add(length);
    // After none, one, two and three of the four fields.
    assert.equal(complete.size, 4);
  });

  it('are none with a name that is not UTF-8', () => {
    const broken = new ProtobufWriter().message(1, new ProtobufWriter().bytes(1, Uint8Array.of(0xff))).finish();
    for (const read of [readX509Svids, readJwtSvids]) assert.equal(read(broken), undefined, read.name);
    assert.equal(readX509Bundles(new ProtobufWriter().bytes(2, Uint8Array.of(0xff)).finish()), undefined);
    assert.equal(readValidated(new ProtobufWriter().bytes(1, Uint8Array.of(0xff)).finish()), undefined);
  });

  it('ask for tokens by audience, and by SPIFFE ID where there is one', () => {
    const expected = new ProtobufWriter().text(1, 'a').text(1, 'b');
    assert.deepEqual(writeJwtSvidRequest(['a', 'b'], undefined), expected.finish());
    assert.deepEqual(
      writeJwtSvidRequest(['a', 'b'], 'spiffe://own.test/web'),
      expected.text(2, 'spiffe://own.test/web').finish(),
    );
  });
});

const ders: readonly {
  readonly name: string;
  readonly bytes: readonly number[];
  readonly lengths: readonly number[] | undefined;
}[] = [
  { name: 'nothing', bytes: [], lengths: [] },
  { name: 'two-short-ones', bytes: [0x30, 1, 7, 0x30, 0], lengths: [3, 2] },
  { name: 'length-of-two-bytes', bytes: [0x30, 0x82, 0, 1, 7], lengths: [5] },
  { name: 'cut-off', bytes: [0x30, 2, 7], lengths: undefined },
  { name: 'no-length', bytes: [0x30], lengths: undefined },
  { name: 'no-length-of-the-length', bytes: [0x30, 0x82, 0], lengths: undefined },
  { name: 'indefinite-length', bytes: [0x30, 0x80, 0, 0], lengths: undefined },
  { name: 'length-of-five-bytes', bytes: [0x30, 0x85, 0, 0, 0, 0, 1, 7], lengths: undefined },
  { name: 'no-sequence', bytes: [0x04, 1, 7], lengths: undefined },
  { name: 'something-after-it', bytes: [0x30, 0, 0xff], lengths: undefined },
];

describe('DER that follows one another', () => {
  for (const { name, bytes, lengths } of ders)
    it(`${lengths === undefined ? 'is refused' : 'is taken apart'}: ${name}`, () =>
      assert.deepEqual(
        splitDer(Uint8Array.from(bytes))?.map(({ length }) => length),
        lengths,
      ));
});
