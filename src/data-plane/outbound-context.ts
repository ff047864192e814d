import type { Dispatcher } from 'undici';
import type { Deadlines } from '../base/deadlines.ts';
import type { LoopWatch } from '../base/loop-watch.ts';
import type { Clock, Random } from '../base/runtime.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { CallList } from './call-list.ts';
import type { LiveConfig } from './live-config.ts';
import type { RateLimits } from './resilience/rate-limit.ts';
import type { SilenceWatch } from './resilience/silence.ts';
import type { WorkloadPeers } from './workload/workload-peers.ts';

/** What a call needs of the mesh. */
export interface OutboundContext {
  readonly config: LiveConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  /** When this process stood still. */
  readonly loop: LoopWatch;
  readonly telemetry: Telemetry;
  readonly rateLimits: RateLimits;
  /** Set in a mesh whose workloads tell each other who they are. */
  readonly peers?: WorkloadPeers | undefined;
  /** Longest wait for the configuration of a service that is asked for the first time. */
  readonly configTimeoutMs: number;
  /** No request that may have been acted on is sent again unless it is idempotent, whatever a policy says. */
  readonly forbidsNonIdempotentRetries: boolean;
  /** Where requests to hosts that no control plane knows go, when the program has set a global dispatcher of its own. */
  fallback(): Dispatcher | undefined;
}

/** What a call needs of the mesh and of the dispatcher that it came through. */
export interface CallContext extends OutboundContext {
  /** The calls under way. */
  readonly calls: CallList;
  /** Looks for hosts that answer nothing. */
  readonly silence: SilenceWatch;
}
