import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, type Mesh } from '../../../src/index.ts';
import { xdsControlPlane } from '../../../src/control-plane/xds/index.ts';
import { startControlPlane, type LiveControlPlane } from './control-plane.ts';
import { answeredBy, endpointsType, ordersAt, startBackend } from './orders.ts';

const clusterType = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const variants = ['state-of-the-world', 'delta'] as const;

interface Started {
  readonly plane: LiveControlPlane;
  readonly mesh: Mesh;
  readonly port: number;
}

const rows: readonly {
  readonly name: string;
  readonly spoil: (started: Started, variant: (typeof variants)[number]) => Promise<void>;
}[] = [
  {
    name: 'a resource of bytes that are no message',
    spoil: async ({ plane }, variant) => {
      const value = Uint8Array.of(0xff, 0xff);
      const resources = [{ name: 'orders', typeUrl: clusterType, value }];
      assert.equal(await plane.inject({ variant, typeUrl: clusterType, version: 'bad', nonce: 'bad', resources }), 1);
      const { message } = await plane.waitFor(({ kind, nonce }) => kind === 'nack' && nonce === 'bad');
      assert.notEqual(message, undefined);
    },
  },
  {
    name: 'a resource under the type URL of another',
    spoil: async ({ plane }, variant) => {
      const resources = [{ name: 'orders', typeUrl: endpointsType, value: new Uint8Array(0) }];
      assert.equal(await plane.inject({ variant, typeUrl: clusterType, version: 'bad', nonce: 'bad', resources }), 1);
      await plane.waitFor(({ kind, nonce }) => kind === 'nack' && nonce === 'bad');
    },
  },
  {
    name: 'a frame that is no message',
    spoil: async ({ plane }, variant) => {
      assert.equal(await plane.garbage(variant, Uint8Array.of(0xff, 0xff)), 1);
    },
  },
  {
    name: 'a connection that breaks off',
    spoil: async ({ plane }) => {
      const { number } = (await plane.events()).at(-1)!;
      assert.equal(await plane.reset(), 1);
      await plane.waitFor(({ kind, stream }) => kind === 'request' && stream === 2, number);
    },
  },
  {
    name: 'streams that are refused for a while',
    spoil: async ({ plane }) => {
      await plane.refuse({ code: 'RESOURCE_EXHAUSTED', message: 'too many' });
      await plane.drop({ code: 'UNAVAILABLE', message: 'restarting' });
      await plane.waitFor(({ kind, stream }) => kind === 'open' && stream === 2);
      await plane.refuse(undefined);
    },
  },
  {
    name: 'silence',
    spoil: async ({ plane, port }) => {
      await plane.hang(true);
      await plane.setSnapshot(ordersAt('1.5', port));
      await plane.hang(false);
    },
  },
];

describe('a mesh whose go-control-plane server misbehaves', () => {
  for (const variant of variants)
    for (const { name, spoil } of rows)
      it(`serves by what was good, and follows it afterwards: ${name} (${variant})`, async () => {
        await using plane = await startControlPlane();
        const [port, next] = [await startBackend(), await startBackend()];
        await plane.setSnapshot(ordersAt('1', port));
        await using mesh = await createMesh({ controlPlane: xdsControlPlane({ servers: plane.address, protocol: variant }) });
        const ask = async (): Promise<string> => (await mesh.fetch('http://orders/')).text();
        assert.equal(await ask(), String(port));
        await plane.waitFor(({ kind, typeUrl }) => kind === 'ack' && typeUrl === endpointsType);
        await spoil({ plane, mesh, port }, variant);
        assert.equal(await ask(), String(port));
        await plane.setSnapshot(ordersAt('2', next));
        await answeredBy(mesh, next);
      });
});
