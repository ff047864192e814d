import type { Clock, Random } from './base/runtime.ts';
import type { Demands } from './control-plane/demands.ts';
import type { SettingsOfFiles } from './control-plane/settings-of-files.ts';
import type { ConfigStore } from './control-plane/store.ts';
import type { LiveConfig } from './data-plane/live-config.ts';
import type { ControlPlane } from './model/contracts.ts';
import type { IdentityStore } from './security/identity-store.ts';

/** What control planes deliver to and run with. */
interface Surroundings {
  readonly store: ConfigStore;
  readonly identities: IdentityStore;
  readonly demands: Demands;
  readonly config: LiveConfig;
  readonly files: SettingsOfFiles;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/**
 * Starts every control plane, and the identity sources of those that have one before them: a configuration waits for the identity that
 * it brings. Each settles when it has ended.
 */
export function runPlanes(planes: readonly ControlPlane[], mesh: Surroundings): Promise<void>[] {
  const { store, identities, demands, config, files: defaults, clock, random, signal } = mesh;
  const runs = planes.flatMap((plane) => {
    const { identity } = plane;
    if (identity === undefined) return [];
    const sink = identities.sinkOf(plane.name);
    const run = started(() => identity.run(sink, signal));
    run.catch((error: unknown) => {
      if (!signal.aborted) sink.status({ state: 'failed', error: wordsOf(error) });
    });
    return [run];
  });
  for (const plane of planes) {
    const sink = store.sink(plane.name);
    const run = started(() => plane.run({ sink, clock, random, defaults, load: () => config.loadOf(plane.name), signal }));
    run.catch((error: unknown) => {
      if (signal.aborted) return;
      // It will say nothing more: what it delivered stays in force, and nobody waits for the rest.
      demands.markFailed(plane.name, wordsOf(error));
      sink.status({ state: 'failed', error: wordsOf(error) });
      config.settleWaiters();
    });
    runs.push(run);
  }
  return runs;
}

/** A `run` that throws instead of rejecting has failed all the same. */
async function started(run: () => Promise<void>): Promise<void> {
  await run();
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
