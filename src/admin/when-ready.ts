import { MeshError } from '../base/errors.ts';
import { holdingProcess, type Clock } from '../base/runtime.ts';
import type { ConfigStore } from '../control-plane/store.ts';
import type { ControlPlane } from '../model/contracts.ts';
import type { IdentityStore } from '../security/identity-store.ts';
import { describeSources } from './describe-sources.ts';

/** What is waited for. */
export interface Readiness {
  /** Without the one that has every host: DNS is ready always. */
  readonly planes: readonly ControlPlane[];
  readonly store: ConfigStore;
  readonly identities: IdentityStore;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/**
 * Resolves when each source that delivers by itself has delivered, each one that answers on demand can answer, and no source of
 * identities is still at its first one. Rejects with the states of all when that is not so after the time, and when a source failed.
 */
export async function whenReady({ planes, store, identities, clock, timeoutMs }: Readiness): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = clock.setTimer(() => {
    const sources = store.status().filter(({ source }) => planes.some(({ name }) => name === source));
    const awaited = identities.awaited().map((identity) => ({ ...identity, source: `the identity of ${identity.source}` }));
    reject(
      new MeshError('MESH_CONFIG_TIMEOUT', `not ready within ${timeoutMs} ms: ${describeSources([...sources, ...awaited])}`),
    );
  }, timeoutMs);
  const answers = planes.map((plane) =>
    plane.demand === undefined ? store.firstUpdate(plane.name) : store.firstAnswer(plane.name),
  );
  try {
    // Identities last: a preset knows who it is before it is connected, and not before it runs.
    await holdingProcess(Promise.race([Promise.all(answers).then(() => identified(identities)), late]));
  } finally {
    timer.cancel();
  }
}

async function identified(identities: IdentityStore): Promise<void> {
  while (identities.awaited().length > 0) await new Promise<void>((resolve) => identities.onNext(resolve));
}
