import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, it } from 'node:test';
import zlib from 'node:zlib';

import { Agent } from 'undici';

import { MeshError } from '../../../src/base/errors.ts';
import { contentCodings } from '../../../src/fetch/content-decoder.ts';
import { createFetch } from '../../../src/fetch/create-fetch.ts';
import { startServer } from '../../support/servers.ts';

const agent = new Agent();
after(() => agent.destroy());

const bomb = zlib.gzipSync(Buffer.alloc(20_000_000)); // about 1,000 times smaller
const honest = zlib.gzipSync(randomBytes(200_000)); // hardly smaller
let closed: Promise<void> = Promise.resolve();
const server = await startServer((request, response) => {
  closed = new Promise((resolve) => response.once('close', resolve));
  response.writeHead(200, { 'content-encoding': 'gzip' }).end(request.url === '/bomb' ? bomb : honest);
});
const url = (path: string): string => `http://${server.address}${path}`;

describe('decompression limits', () => {
  const fetch = createFetch(agent, { decompression: { maxBytes: 100_000 } });

  for (const read of ['text', 'arrayBuffer', 'stream'] as const) {
    it(`break off a body that blows up, read by ${read}`, async () => {
      const response = await fetch(url('/bomb'));
      const reading = read === 'stream' ? new Response(response.body).text() : response[read]();
      await assert.rejects(reading, (error: TypeError) => {
        assert.equal(error.constructor, TypeError);
        assert.equal(error.message, 'terminated');
        assert.ok(error.cause instanceof MeshError);
        assert.match(error.cause.message, /more than 100000 bytes and 100 times its size; .* pass a Request/);
        return true;
      });
      await closed;
    });
  }

  it('let through a body past the size but not past the ratio', async () => {
    assert.equal((await (await fetch(url('/honest'))).bytes()).byteLength, 200_000);
  });

  it('let through a body past the ratio but not past the size: the default allows 64 MiB', async () => {
    assert.equal((await (await createFetch(agent)(url('/bomb'))).bytes()).byteLength, 20_000_000);
  });

  it('can be lifted', async () => {
    const unlimited = createFetch(agent, { decompression: { maxBytes: Number.POSITIVE_INFINITY, maxRatio: 1 } });
    assert.equal((await (await unlimited(url('/bomb'))).bytes()).byteLength, 20_000_000);
  });
});

describe('contentCodings', () => {
  it('reads the header', () => {
    assert.deepEqual(contentCodings('GZIP,  br'), ['gzip', 'br']);
    assert.deepEqual(contentCodings(['gzip', 'br']), ['gzip', 'br']);
  });

  it('undoes nothing when one coding is unknown', () => assert.deepEqual(contentCodings('gzip, compress'), []));

  it('refuses more than five', () =>
    assert.throws(() => contentCodings('gzip,gzip,gzip,gzip,gzip,gzip'), /too many content-encodings/));
});
