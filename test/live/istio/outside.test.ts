import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { istioControlPlane } from '../../../src/control-plane/istio/index.ts';
import { createMesh } from '../../../src/index.ts';
import { hostOf, serviceOf } from './documents.ts';
import { startEcho } from './instances.ts';
import { startIstiod } from './istiod.ts';
import { isTold, web } from './mesh-in-pod.ts';
import { surroundingsOf } from './pod.ts';

/** A mesh of an istiod whose policy for what is outside of it is this one; what it answers to a service and to a host it does not know. */
async function statusesUnder(mode: 'ALLOW_ANY' | 'REGISTRY_ONLY'): Promise<{ readonly known: number; readonly unknown: number }> {
  await using istiod = await startIstiod({ meshConfig: { outboundTrafficPolicy: { mode } } });
  const [inside, outside] = [await startEcho('inside'), await startEcho('outside')];
  try {
    await istiod.configure('services', [serviceOf('known', [{ port: inside.port }])]);
    await isTold(istiod, 'known');
    const plane = istioControlPlane({}, surroundingsOf(await istiod.podFolder(web), istiod));
    await using mesh = await createMesh({ controlPlane: plane });
    const known = await mesh.fetch(`http://${hostOf('known')}/`);
    const unknown = await mesh.fetch(`http://localhost:${outside.port}/`).catch(() => undefined);
    return { known: known.status, unknown: unknown?.status ?? 0 };
  } finally {
    await inside.stop();
    await outside.stop();
  }
}

describe('hosts that istiod does not know', { timeout: 60_000 }, () => {
  it('are reached by DNS where the mesh allows any', async () => {
    assert.deepEqual(await statusesUnder('ALLOW_ANY'), { known: 200, unknown: 200 });
  });

  it('are not reached where the mesh keeps to its registry', async () => {
    assert.deepEqual(await statusesUnder('REGISTRY_ONLY'), { known: 200, unknown: 0 });
  });
});
