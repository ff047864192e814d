import assert from 'node:assert/strict';
import { istioControlPlane, type IstioOptions } from '../../../src/control-plane/istio/index.ts';
import { createMesh, type Mesh } from '../../../src/index.ts';
type MeshStatus = ReturnType<Mesh['status']>;
import type { Istiod, PodFiles } from './istiod.ts';
import { hostOf } from './documents.ts';
import { surroundingsOf } from './pod.ts';

/** The pod of the tests. */
export const web: PodFiles = { namespace: 'shop', serviceAccount: 'web', labels: { app: 'web', version: 'v1' } };

/** A mesh in a pod that has nothing but its files; `root` is their folder. Hosts that istiod does not know are refused. */
export async function meshIn(
  istiod: Istiod,
  pod: PodFiles = web,
  options: IstioOptions = {},
): Promise<{ readonly mesh: Mesh; readonly root: string }> {
  const root = await istiod.podFolder(pod);
  const plane = istioControlPlane(options, surroundingsOf(root, istiod));
  return { mesh: await createMesh({ controlPlane: plane, unknownHosts: 'refuse' }), root };
}

/** What is wrong with the control plane, in its own words. */
export function troubleOf(mesh: Mesh): string | undefined {
  return mesh.status().controlPlanes.find(({ source }) => source === 'istio')?.error;
}

/** Our certificate as the mesh shows it. */
export function ownIdentity(mesh: Mesh): MeshStatus['identities'][number] | undefined {
  return mesh.status().identities.find(({ name }) => name === 'default');
}

/** Waits until there is something: the world is real here, and tells nobody. */
export async function until<T>(what: () => T | undefined | Promise<T | undefined>, forMs = 20_000): Promise<T> {
  const endMs = performance.now() + forMs;
  for (;;) {
    const found = await what();
    if (found !== undefined) return found;
    assert.ok(performance.now() < endMs, `not within ${forMs} ms: ${String(what)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until istiod tells of a service: it takes up files after a moment. */
export async function isTold(istiod: Istiod, service: string): Promise<void> {
  const { mesh } = await meshIn(istiod);
  await using _ = mesh;
  await until(async () => {
    const response = await mesh.fetch(`http://${hostOf(service)}/`, { method: 'HEAD' }).catch(() => undefined);
    await response?.arrayBuffer();
    return response;
  });
}
