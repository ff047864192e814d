import type { Dispatcher } from 'undici';
import { LoopDelay } from '../../base/loop-delay.ts';
import type { Clock, Random } from '../../base/runtime.ts';
import type { IdentityStore } from '../../security/identity-store.ts';
import { KeySources } from '../../security/jwt/key-source.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { KnownWorkloads } from '../workload/known-workloads.ts';
import { Inbound } from '../inbound.ts';
import { ListenerLoads } from './admission.ts';
import { createFetchKeys } from './fetch-keys.ts';
import type { InboundSources } from './inbound-config.ts';
import { InboundRateLimits } from './inbound-rate-limit.ts';
import { LoadMeter } from './load-report.ts';

/** What a mesh gives to its way in. */
export interface InboundMesh {
  /** Name of the mesh. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly identities: IdentityStore;
  readonly sources: InboundSources;
  /** Set in a mesh whose workloads tell each other who they are. */
  readonly workloads: KnownWorkloads | undefined;
  /** The way to a cluster of a source. */
  readonly toCluster: (source: string, cluster: string) => Dispatcher;
}

/** Makes the way in of a mesh, without a configuration yet. */
export function createInbound(mesh: InboundMesh): Inbound {
  const { name, clock, random, telemetry, identities, sources, workloads, toCluster } = mesh;
  const keys = new Map<string, KeySources>();
  return new Inbound(
    {
      name,
      clock,
      random,
      telemetry,
      workloads,
      rateLimits: new InboundRateLimits(),
      loads: new ListenerLoads(),
      loopDelay: new LoopDelay(clock),
      loadMeter: new LoadMeter(clock),
      toCluster,
      keysOf(source) {
        let known = keys.get(source);
        if (known === undefined) {
          known = new KeySources({
            clock,
            random,
            fetchKeys: createFetchKeys((cluster) => toCluster(source, cluster)),
            onFetch: (report) => telemetry.publish('inbound:keys', () => report),
          });
          keys.set(source, known);
        }
        return known;
      },
      ownNames(identity) {
        const { spiffeId } = identities.svid(identity) ?? {};
        return spiffeId === undefined ? [] : [spiffeId];
      },
      propagated: () => telemetry.propagatedHeaders(),
    },
    sources,
  );
}
