import { createMesh, type Mesh, type MeshOptions } from 'meshfetch';
import type { MeshFileInput } from '../../src/control-plane/file/schema.ts';

/** A service as a file says it. */
export type ServiceInput = NonNullable<MeshFileInput['services']>[string];

/** A mesh of these services, as a file would say them. Closed at once by `await using`. */
export function meshOf(
  services: Readonly<Record<string, ServiceInput>>,
  options: Omit<MeshOptions, 'controlPlane'> = {},
): Promise<Mesh> {
  return createMesh({ controlPlane: { services }, drainTimeoutMs: 100, ...options });
}

/** A mesh in which `orders` is these addresses. */
export function ordersAt(addresses: readonly string[], more: ServiceInput = {}): Promise<Mesh> {
  return meshOf({ orders: { endpoints: [...addresses], ...more } });
}

/** What the mesh still holds for requests: all zero when nothing is under way. */
export function held(mesh: Mesh): { readonly requests: number; readonly inFlight: number } {
  let requests = 0;
  let inFlight = 0;
  for (const cluster of mesh.status().clusters) {
    requests += cluster.requestsInFlight;
    for (const endpoint of cluster.endpoints) inFlight += endpoint.inFlight;
  }
  return { requests, inFlight };
}

/** Open connections to all endpoints. */
export function connectionsOf(mesh: Mesh): number {
  return mesh
    .status()
    .clusters.flatMap(({ endpoints }) => endpoints)
    .reduce((sum, { connections }) => sum + connections, 0);
}

/** Resolves when `isTrue` says so, asked each turn of the event loop; rejects after `limitMs` with what was waited for. */
export async function eventually(what: string, isTrue: () => boolean, limitMs = 5000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
