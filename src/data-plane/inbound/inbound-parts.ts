import type { Dispatcher } from 'undici';
import type { LoopDelay } from '../../base/loop-delay.ts';
import type { Clock, Random } from '../../base/runtime.ts';
import type { SecretRef } from '../../model/tls.ts';
import type { KeySources } from '../../security/jwt/key-source.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { KnownWorkloads } from '../workload/known-workloads.ts';
import type { ListenerLoads } from './admission.ts';
import type { LoadMeter } from './load-report.ts';
import type { InboundRateLimits } from './inbound-rate-limit.ts';

/** What the chains of a mesh share; it outlives every configuration. */
export interface InboundParts {
  /** Name of the mesh. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly rateLimits: InboundRateLimits;
  readonly loads: ListenerLoads;
  readonly loopDelay: LoopDelay;
  /** Set in a mesh whose workloads tell each other who they are. */
  readonly workloads: KnownWorkloads | undefined;
  readonly loadMeter: LoadMeter;
  /** The way to a cluster of a source. */
  toCluster(source: string, cluster: string): Dispatcher;
  /** Keys of the issuers that a source names. */
  keysOf(source: string): KeySources;
  /** URI names of the certificate that this process shows under that name. */
  ownNames(identity: SecretRef): readonly string[];
  /** Headers that a registered tracer hands on by itself. */
  propagated(): readonly string[];
}
