import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from '../../../src/index.ts';
import { xdsControlPlane } from '../../../src/control-plane/xds/index.ts';
import { startControlPlane } from './control-plane.ts';
import { mutualTlsFiles } from './mutual-tls.ts';
import { answeredBy, endpointsType, ordersAt, startBackend } from './orders.ts';

const connections: readonly {
  readonly name: string;
  readonly protocol: 'state-of-the-world' | 'delta';
  readonly isSecured: boolean;
}[] = [
  { name: 'state-of-the-world', protocol: 'state-of-the-world', isSecured: false },
  { name: 'delta', protocol: 'delta', isSecured: false },
  { name: 'state-of-the-world-over-mutual-tls', protocol: 'state-of-the-world', isSecured: true },
  { name: 'delta-over-mutual-tls', protocol: 'delta', isSecured: true },
];

describe('a mesh on a go-control-plane server', () => {
  for (const { name, protocol, isSecured } of connections)
    it(`answers, follows a change, and is there again after its stream was dropped: ${name}`, async () => {
      const files = isSecured ? await mutualTlsFiles() : undefined;
      await using plane = await startControlPlane(files && { mtls: files.server });
      const [first, second, third] = [await startBackend(), await startBackend(), await startBackend()];
      await plane.setSnapshot(ordersAt('1', first));
      await using mesh = await createMesh({
        controlPlane: xdsControlPlane({
          node: { id: 'web-1', cluster: 'web' },
          protocol,
          servers: files ? { address: plane.mtlsAddress!, tls: files.client } : plane.address,
        }),
      });
      assert.equal(await (await mesh.fetch('http://orders/')).text(), String(first));

      await plane.setSnapshot(ordersAt('2', second));
      await answeredBy(mesh, second);
      const { number } = await plane.waitFor(({ kind, typeUrl, version }) =>
        protocol === 'delta'
          ? kind === 'ack' && typeUrl === endpointsType
          : kind === 'ack' && typeUrl === endpointsType && version === '2',
      );
      assert.equal(await plane.drop({ code: 'UNAVAILABLE', message: 'restarting' }), 1);
      assert.equal(await (await mesh.fetch('http://orders/')).text(), String(second), 'the last good configuration serves');
      const again = await plane.waitFor(
        ({ kind, stream, typeUrl }) => kind === 'request' && stream === 2 && typeUrl === endpointsType,
        number,
      );
      assert.deepEqual(again.names, ['orders']);
      assert.equal(again.node, 'web-1');
      await plane.setSnapshot(ordersAt('3', third));
      await answeredBy(mesh, third);
      assert.deepEqual(
        (await plane.events()).filter(({ kind }) => kind === 'nack'),
        [],
      );
    });

  it('is refused a connection without a certificate where the server wants one', async () => {
    const files = await mutualTlsFiles();
    await using plane = await startControlPlane({ mtls: files.server });
    await plane.setSnapshot(ordersAt('1', await startBackend()));
    await using mesh = await createMesh({
      configTimeoutMs: 1000,
      controlPlane: xdsControlPlane({ servers: { address: plane.mtlsAddress!, tls: { rootsFile: files.client.rootsFile! } } }),
    });
    await assert.rejects(mesh.fetch('http://orders/'));
    assert.deepEqual(
      mesh.status().controlPlanes.map(({ source, state }) => `${source} ${state}`),
      ['xds disconnected', 'dns connected'],
    );
    assert.deepEqual(await plane.events(), []);
  });
});
