/** Bodies that no buffer holds, under a policy that retries: sent once, in little memory, and never from their middle. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { isMeshError } from 'meshfetch';
import { ordersAt } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';

const chunk = new Uint8Array(1_048_576);
const gigabyte = 1024; // chunks

const retry = { maxAttempts: 3, on: ['connect-failure', 'reset', '5xx'], nonIdempotent: 'as-configured' } as const;

function memoryBytes(): number {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + Math.max(external, arrayBuffers);
}

describe('a body of a gigabyte under a retry policy', () => {
  it('arrives whole and once, and only its first 64 KiB were ever kept', async () => {
    let received = 0;
    const server = await startServer((incoming, response) => {
      incoming.on('data', (part: Uint8Array) => (received += part.byteLength));
      incoming.on('end', () => response.end('ok'));
    });
    await using mesh = await ordersAt([server.address], { retry });
    let most = 0;
    const before = memoryBytes();
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let index = 0; index < gigabyte; index++) {
        yield chunk.slice();
        if (index % 16 === 0) most = Math.max(most, memoryBytes() - before);
      }
    }
    const response = await request('http://orders/', { method: 'PUT', body: body() as never, dispatcher: mesh.dispatcher });
    assert.equal(await response.body.text(), 'ok');
    assert.equal(received, gigabyte * chunk.byteLength);
    assert.equal(server.requests.length, 1);
    // The server is in this process too: what it has read and not yet counted is in the figure.
    assert.ok(most < 256 * 1_048_576, `${Math.round(most / 1_048_576)} MiB`);
  });

  it('is not sent a second time when its endpoint breaks off, and the error says why', async () => {
    let received = 0;
    const server = await startServer((incoming) => {
      incoming.on('data', (part: Uint8Array) => {
        received += part.byteLength;
        if (received > 16 * chunk.byteLength) incoming.socket.resetAndDestroy();
      });
      incoming.on('error', () => {});
    });
    await using mesh = await ordersAt([server.address], { retry });
    let sent = 0;
    let isClosed = false;
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        for (; sent < gigabyte; sent++) yield chunk;
      } finally {
        isClosed = true;
      }
    }
    const failure = request('http://orders/', { method: 'PUT', body: body() as never, dispatcher: mesh.dispatcher });
    await assert.rejects(failure, (error) => {
      assert.ok(isMeshError(error));
      assert.equal(error.details['retryDenied'], 'body');
      assert.equal(error.mayHaveBeenProcessed, true);
      return true;
    });
    assert.equal(server.requests.length, 1);
    assert.ok(sent < gigabyte);
    assert.ok(isClosed);
  });
});
