import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InForce } from '../../../../../src/control-plane/xds/source/in-force.ts';
import { FindingsPool, KeptResources, type KeptKind } from '../../../../../src/control-plane/xds/source/kept-resources.ts';
import { keptKinds } from '../../../../../src/control-plane/xds/source/subscriptions.ts';
import type { ControlPlaneContext } from '../../../../../src/model/contracts.ts';
import type { Resource } from '../../../../../src/model/snapshot.ts';
import { seededRandom } from '../../../../../src/base/runtime.ts';
import { createVirtualClock } from '../../../../../src/testing/virtual-clock.ts';

const listener = (name: string): Resource => ({
  kind: 'listener',
  name,
  value: { direction: 'outbound', name, routes: { name, virtualHosts: [] } },
});

describe('what is in force', () => {
  it('says what the store refused until it takes it, or nobody wants it any more', async () => {
    const bad = new Set(['one', 'two']);
    const kept = Object.fromEntries(keptKinds.map((kind) => [kind, new KeptResources(kind, new FindingsPool())])) as Readonly<
      Record<KeptKind, KeptResources>
    >;
    const context: ControlPlaneContext = {
      sink: {
        apply: ({ set }) => {
          const rejected = set.filter(({ name }) => bad.has(name));
          return Promise.resolve({
            accepted: [],
            rejected: rejected.map(({ kind, name }) => ({ key: { kind, name }, path: 'policy', reason: 'is bad' })),
            unhonoured: [],
          });
        },
        absent: () => {},
        status: () => {},
      },
      clock: createVirtualClock(),
      random: seededRandom(1),
      signal: new AbortController().signal,
    };
    const inForce = new InForce(context, kept);
    const names = (): readonly string[] => inForce.refused().map(({ key }) => key.name);
    await inForce.replace([listener('one'), listener('two'), listener('three')], '1');
    assert.deepEqual(names(), ['one', 'two']);
    bad.delete('one');
    await inForce.replace([listener('one'), listener('two'), listener('three')], '2');
    assert.deepEqual(names(), ['two']);
    await inForce.replace([listener('three')], '3');
    assert.deepEqual(names(), []);
  });
});
