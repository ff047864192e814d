/** Uploads over HTTP/2 whose answer comes before they are read: their sources do not stay open. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import { request } from 'undici';
import { createVirtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { eventually } from '../support/mesh-of.ts';

/** A mesh to a server that answers at once and reads nothing, and an upload to it that stands still. */
async function answeredEarly(t: TestContext, clock: VirtualClock): Promise<{ readonly mesh: Mesh; readonly source: Readable }> {
  const server = createServer();
  t.after(() => server.close());
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 413 });
    stream.end('too long');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const services = { orders: { endpoints: [address], protocol: 'http2' } } as const;
  const mesh = await createMesh({ controlPlane: { services }, drainTimeoutMs: 0, clock });
  t.after(() => mesh.close());
  let count = 0;
  const source = new Readable({
    read() {
      if (count++ < 2) this.push(Buffer.alloc(1000));
    },
  });
  const { statusCode, body } = await request('http://orders/', { dispatcher: mesh.dispatcher, method: 'POST', body: source });
  assert.equal(statusCode, 413);
  await body.text();
  return { mesh, source };
}

describe('an upload that was answered before it was read', () => {
  it('has its source closed when it gives nothing for ten seconds', async (t) => {
    const clock = createVirtualClock();
    const { source } = await answeredEarly(t, clock);
    await clock.advance(9000);
    assert.equal(source.destroyed, false);
    await clock.advance(12_000);
    await eventually('it is closed', () => source.destroyed);
  });

  it('has its source closed with the mesh', async (t) => {
    const { mesh, source } = await answeredEarly(t, createVirtualClock());
    const closed = mesh.close();
    await eventually('it is closed', () => source.destroyed);
    await closed;
  });
});
