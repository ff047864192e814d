import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { before, describe, it } from 'node:test';
import { connect, type ConnectionOptions } from 'node:tls';
import { ClientHelloReader, type ClientHelloResult } from '../../../../src/data-plane/listen/client-hello.ts';

/** What a real client of this Node sends first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ...options });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const chunks: Buffer[] = [];
  for (;;) {
    chunks.push(((await once(socket, 'data')) as [Buffer])[0]);
    const all = Buffer.concat(chunks);
    if (all.length >= 5 + all.readUInt16BE(3)) {
      client.destroy();
      socket.destroy();
      server.close();
      return all;
    }
  }
}

function read(...pieces: Buffer[]): ClientHelloResult {
  const reader = new ClientHelloReader();
  for (const [index, piece] of pieces.entries()) {
    const result = reader.push(piece);
    if (result === undefined) continue;
    assert.equal(
      index,
      pieces.length - 1,
      `it answers at the last piece, not at ${index} of ${pieces.length}: ${JSON.stringify(result)}`,
    );
    return result;
  }
  return undefined;
}

const bytesOf = (whole: Buffer): Buffer[] => Array.from(whole, (_, index) => whole.subarray(index, index + 1));

/** The same handshake message in records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

function recordOf(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([22, 3, 1, message.length >> 8, message.length & 255]), message]);
}

function messageOf(body: Buffer): Buffer {
  return recordOf(Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 255]), body]));
}

const beforeExtensions = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32), Buffer.from([0, 0, 2, 0x13, 1, 1, 0])]);

function withExtensions(...extensions: readonly (readonly [type: number, content: number[]])[]): Buffer {
  const all = Buffer.concat(
    extensions.map(([type, content]) => Buffer.from([0, type, content.length >> 8, content.length & 255, ...content])),
  );
  return messageOf(Buffer.concat([beforeExtensions, Buffer.from([all.length >> 8, all.length & 255]), all]));
}

const istioNames = ['istio-http/1.1', 'istio', 'http/1.1'];

describe('ClientHelloReader', () => {
  let hello: Buffer;
  const said = { serverName: 'cart.shop.svc', applicationProtocols: istioNames };
  before(async () => {
    hello = await helloOf({ servername: 'Cart.shop.svc', ALPNProtocols: istioNames });
  });

  it('reads the server name in lower case and the application protocols in their order', () => {
    assert.deepEqual(read(hello), said);
  });

  it('reads one that comes byte by byte, at its last byte', () => {
    assert.deepEqual(read(...bytesOf(hello)), said);
  });

  it('reads one that is cut into records of one byte', () => {
    assert.deepEqual(read(inRecords(hello, 1)), said);
    assert.deepEqual(read(...bytesOf(inRecords(hello, 1))), said);
  });

  it('reads one in records of other sizes', () => {
    for (const size of [2, 3, 4, 5, 100, 255]) assert.deepEqual(read(inRecords(hello, size)), said);
  });

  it('reads one of TLS 1.2, and one that offers nothing', async () => {
    assert.deepEqual(read(await helloOf({ maxVersion: 'TLSv1.2', servername: 'a' })), {
      serverName: 'a',
      applicationProtocols: [],
    });
    assert.deepEqual(read(messageOf(beforeExtensions)), { serverName: undefined, applicationProtocols: [] });
  });

  it('does not mind what follows it', () => {
    assert.deepEqual(read(Buffer.concat([hello, Buffer.from('early data')])), said);
  });

  const bad = [
    { name: 'other-record', bytes: Buffer.from([23, 3, 1, 0, 1, 1]), says: /no handshake/ },
    { name: 'other-version', bytes: Buffer.from([22, 2]), says: /unknown version/ },
    { name: 'empty-record', bytes: Buffer.from([22, 3, 1, 0, 0]), says: /empty/ },
    { name: 'long-record', bytes: Buffer.from([22, 3, 1, 0x41, 0]), says: /longer than 16384/ },
    { name: 'other-message', bytes: recordOf(Buffer.from([2, 0, 0, 1, 0])), says: /begin with a ClientHello/ },
    { name: 'long-message', bytes: recordOf(Buffer.from([1, 1, 0, 0, 0])), says: /ClientHello is longer than 16384/ },
    { name: 'cut-off', bytes: messageOf(Buffer.from([3, 3, 0])), says: /cut off/ },
    { name: 'long-session', bytes: messageOf(Buffer.concat([Buffer.alloc(34), Buffer.from([255])])), says: /cut off/ },
    {
      name: 'extensions-too-long',
      bytes: messageOf(Buffer.concat([beforeExtensions, Buffer.from([0, 9])])),
      says: /extensions of the ClientHello have a wrong length/,
    },
    {
      name: 'after-the-extensions',
      bytes: messageOf(Buffer.concat([beforeExtensions, Buffer.from([0, 0, 7])])),
      says: /extensions of the ClientHello have a wrong length/,
    },
    {
      name: 'extension-too-long',
      bytes: messageOf(Buffer.concat([beforeExtensions, Buffer.from([0, 4, 0, 0, 0, 1])])),
      says: /extension of the ClientHello is cut off/,
    },
    { name: 'twice', bytes: withExtensions([16, [0, 2, 1, 97]], [16, [0, 2, 1, 98]]), says: /twice/ },
    { name: 'empty-protocol', bytes: withExtensions([16, [0, 1, 0]]), says: /protocols of the ClientHello are malformed/ },
    { name: 'no-protocol', bytes: withExtensions([16, [0, 0]]), says: /protocols of the ClientHello are malformed/ },
    { name: 'protocol-too-long', bytes: withExtensions([16, [0, 2, 9, 97]]), says: /protocols of the ClientHello are malformed/ },
    { name: 'empty-name', bytes: withExtensions([0, [0, 3, 0, 0, 0]]), says: /server name of the ClientHello is malformed/ },
    {
      name: 'null-in-name',
      bytes: withExtensions([0, [0, 5, 0, 0, 2, 97, 0]]),
      says: /server name of the ClientHello is malformed/,
    },
    {
      name: 'two-names',
      bytes: withExtensions([0, [0, 8, 0, 0, 1, 97, 0, 0, 1, 98]]),
      says: /server name of the ClientHello is malformed/,
    },
    {
      name: 'other-kind-of-name',
      bytes: withExtensions([0, [0, 4, 1, 0, 1, 97]]),
      says: /server name of the ClientHello is malformed/,
    },
  ];
  for (const { name, bytes, says } of bad) {
    it(`refuses ${name}`, () => {
      const result = new ClientHelloReader().push(bytes);
      assert.match(typeof result === 'string' ? result : JSON.stringify(result), says);
    });
  }

  it('never throws and never reads past the end, whatever comes', () => {
    for (let cut = 0; cut < hello.length; cut++) {
      const changed = Buffer.from(hello);
      changed[cut] = changed[cut]! ^ 0xff;
      new ClientHelloReader().push(changed);
      assert.equal(read(hello.subarray(0, cut)), undefined, `cut at ${cut}`);
    }
  });
});
