import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readProxyHeader } from '../../../../src/data-plane/listen/proxy-protocol.ts';

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

function binary(command: number, family: number, block: readonly number[], length = block.length): Buffer {
  return Buffer.from([...signature, command, family, length >> 8, length & 255, ...block]);
}

const four = [192, 0, 2, 7, 198, 51, 100, 9, 0xdd, 0xd5, 0x01, 0xbb];
const six = [
  0x20,
  1,
  0xd,
  0xb8,
  ...Array<number>(11).fill(0),
  7,
  0x20,
  1,
  0xd,
  0xb8,
  ...Array<number>(11).fill(0),
  9,
  0xdd,
  0xd5,
  1,
  0xbb,
];
const mapped = [
  ...Array<number>(10).fill(0),
  255,
  255,
  192,
  0,
  2,
  7,
  ...Array<number>(10).fill(0),
  255,
  255,
  198,
  51,
  100,
  9,
  0,
  1,
  0,
  2,
];
const ports = { sourcePort: 56_789, destinationPort: 443 };
const ipv4 = { sourceAddress: '192.0.2.7', destinationAddress: '198.51.100.9', ...ports };
const ipv6 = { sourceAddress: '2001:db8::7', destinationAddress: '2001:db8::9', ...ports };

describe('readProxyHeader', () => {
  const good = [
    { name: 'line-of-tcp4', bytes: Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 56789 443\r\n'), is: ipv4 },
    { name: 'line-of-tcp6', bytes: Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::9 56789 443\r\n'), is: ipv6 },
    { name: 'line-of-unknown', bytes: Buffer.from('PROXY UNKNOWN\r\n'), is: {} },
    { name: 'line-of-unknown-with-more', bytes: Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), is: {} },
    { name: 'binary-of-tcp4', bytes: binary(0x21, 0x11, four), is: ipv4 },
    { name: 'binary-of-tcp6', bytes: binary(0x21, 0x21, six), is: ipv6 },
    { name: 'binary-with-more-fields', bytes: binary(0x21, 0x11, [...four, 3, 0, 1, 0]), is: ipv4 },
    { name: 'binary-of-the-proxy-itself', bytes: binary(0x20, 0x00, []), is: {} },
    { name: 'binary-of-the-proxy-itself-with-addresses', bytes: binary(0x20, 0x11, four), is: {} },
    { name: 'binary-of-an-unspecified-family', bytes: binary(0x21, 0x00, []), is: {} },
    {
      name: 'binary-of-mapped-addresses',
      bytes: binary(0x21, 0x21, mapped),
      is: { sourceAddress: '::ffff:192.0.2.7', destinationAddress: '::ffff:198.51.100.9', sourcePort: 1, destinationPort: 2 },
    },
  ];
  for (const { name, bytes, is } of good) {
    it(`reads ${name}, and waits for each of its bytes`, () => {
      const request = Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n')]);
      assert.deepEqual(readProxyHeader(request), { length: bytes.length, ...is });
      for (let cut = 0; cut < bytes.length; cut++)
        assert.equal(readProxyHeader(bytes.subarray(0, cut)), undefined, `cut at ${cut}`);
    });
  }

  for (const text of ['GET / HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'PROXYTCP4', '\x16\x03\x01', '\r\nGET']) {
    it(`says that ${JSON.stringify(text)} is none`, () => {
      assert.equal(readProxyHeader(Buffer.from(text, 'latin1')), 'none');
    });
  }

  const bad = [
    { name: 'other-family', bytes: Buffer.from('PROXY UDP4 192.0.2.7 198.51.100.9 1 2\r\n'), says: /neither TCP4/ },
    { name: 'name-for-an-address', bytes: Buffer.from('PROXY TCP4 example.org 198.51.100.9 1 2\r\n'), says: /addresses/ },
    { name: 'address-of-the-other-family', bytes: Buffer.from('PROXY TCP4 2001:db8::7 198.51.100.9 1 2\r\n'), says: /addresses/ },
    { name: 'one-field-more', bytes: Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 1 2 3\r\n'), says: /addresses/ },
    { name: 'port-too-large', bytes: Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 65536 2\r\n'), says: /ports/ },
    { name: 'port-with-a-zero', bytes: Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 01 2\r\n'), says: /ports/ },
    { name: 'no-ports', bytes: Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9\r\n'), says: /ports/ },
    { name: 'line-too-long', bytes: Buffer.from(`PROXY UNKNOWN ${'x'.repeat(120)}`), says: /longer than 107/ },
    { name: 'other-version', bytes: binary(0x31, 0x11, four), says: /version is 3/ },
    { name: 'other-command', bytes: binary(0x22, 0x11, four), says: /command/ },
    { name: 'udp', bytes: binary(0x21, 0x12, four), says: /not for TCP/ },
    { name: 'unix', bytes: binary(0x21, 0x31, Array<number>(216).fill(0)), says: /not for TCP/ },
    { name: 'short-block', bytes: binary(0x21, 0x11, four.slice(1)), says: /cut off/ },
    { name: 'short-block-of-ipv6', bytes: binary(0x21, 0x21, four), says: /cut off/ },
    { name: 'long-block', bytes: binary(0x21, 0x11, four, 1025), says: /longer than 1024/ },
  ];
  for (const { name, bytes, says } of bad) {
    it(`refuses ${name}`, () => {
      const result = readProxyHeader(bytes);
      assert.match(typeof result === 'string' ? result : JSON.stringify(result), says);
    });
  }
});
