import { createMesh, type Mesh } from '../../../src/index.ts';
import { spiffeControlPlane } from '../../../src/control-plane/spiffe/index.ts';
import type { ControlPlaneStatus } from '../../../src/model/contracts.ts';
import { subscribe } from '../../../src/telemetry/channels.ts';

/** The service `orders` at one address, spoken to with mutual TLS. */
export function ordersAt(address: string, peers: readonly string[], identity = 'spiffe') {
  return { services: { orders: { endpoints: [address], tls: { mode: 'mutual' as const, identity, peers: [...peers] } } } };
}

/** A mesh that has `orders` at the address, with the identity of a Workload API. */
export function meshOn(endpoint: string, address: string, peer: string): Promise<Mesh> {
  return createMesh({ configTimeoutMs: 20_000, controlPlane: [ordersAt(address, [peer]), spiffeControlPlane({ endpoint })] });
}

/** Resolves when what is asked is so, looked at again whenever an identity or the state of a source has changed. */
export async function until<T>(read: () => T | undefined | false): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const look = (): void => {
    const value = read();
    if (value !== undefined && value !== false) resolve(value);
  };
  // An event may be told before the view has it.
  const stops = (['identity:rotated', 'control-plane:state'] as const).map((name) => subscribe(name, () => setImmediate(look)));
  look();
  try {
    return await promise;
  } finally {
    for (const stop of stops) stop();
  }
}

/** The status of the source `spiffe` as soon as it fits. */
export function statusWhere(mesh: Mesh, fits: (status: ControlPlaneStatus) => boolean): Promise<ControlPlaneStatus> {
  return until(
    () =>
      mesh.status().controlPlanes.find((plane) => plane.source === 'spiffe' && fits(plane as ControlPlaneStatus)) as
        | ControlPlaneStatus
        | undefined,
  );
}
