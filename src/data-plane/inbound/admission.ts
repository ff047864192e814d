/**
 * How much a port lets in at a time, and who is turned away first. Three things are looked at: a cap on the requests under way, a
 * limit that is found out by their latency, and how late the event loop is. Requests of lower criticality may fill less of the cap
 * and of the limit, and are refused at a shorter delay, so that the least critical go first; what nobody classified is critical.
 *
 * Asked before anything that costs: a request that is refused has cost its headers. A refusal is the same object each time, says when
 * to come back (`retry-after`), and its status lets the caller's mesh go elsewhere. What is counted and learnt is the listener's:
 * its chains share it, and it outlives a change of the configuration. Sources: Site Reliability Engineering, chapter 21, "handling
 * overload"; Netflix concurrency-limits; Envoy `adaptive_concurrency`.
 */
import { LRUCache } from 'lru-cache';
import type { Criticality } from '../../base/request-context.ts';
import type { LoopDelay } from '../../base/loop-delay.ts';
import type { Random } from '../../base/runtime.ts';
import type { InboundRefusal } from '../../model/inbound.ts';
import type { AdaptiveConcurrencyConfig, AdmissionConfig } from '../../model/policy.ts';
import type { AdaptiveLimit } from '../resilience/adaptive-limit.ts';
import { createAdaptiveLimit } from '../resilience/adaptive-limits.ts';
import { shareOfLimit } from '../resilience/admission.ts';
import { loadVerdict, type LoadVerdict } from '../resilience/load-verdict.ts';
import { refusal } from './refusal.ts';

/** The share of the cap that each class may fill: nobody gets more than the whole of it. */
const shareOfCap: Readonly<Record<Criticality, number>> = { ...shareOfLimit, 'critical-plus': 1 };

/** How many times `maxLoopDelayMs` the event loop may be late before a class is refused. */
const timesOfDelay: Readonly<Record<Criticality, number>> = {
  'critical-plus': Number.POSITIVE_INFINITY,
  critical: 2,
  'sheddable-plus': 1.5,
  sheddable: 1,
};

/** What a listener has under way, and what its limits have learnt. */
export class ListenerLoad {
  /** Requests, until the end of their responses. */
  inFlight = 0;
  private learntBy = '';
  private adaptive: AdaptiveLimit | undefined = undefined;

  /** The limit of this configuration: what it has learnt is kept while that is the same. */
  adaptiveLimit(config: AdaptiveConcurrencyConfig): AdaptiveLimit {
    const key = JSON.stringify(config);
    if (this.adaptive === undefined || key !== this.learntBy) {
      this.learntBy = key;
      this.adaptive = createAdaptiveLimit(config);
    }
    return this.adaptive;
  }
}

/** Listeners whose counts are kept; of more, those that were asked for longest ago begin anew. */
const maxListeners = 256;

/** The load of each listener, by its source and its name, so that an update goes on where the one before was. */
export class ListenerLoads {
  private readonly loads = new LRUCache<string, ListenerLoad>({ max: maxListeners });

  of(source: string, listener: string): ListenerLoad {
    const key = `${source}\n${listener}`;
    let load = this.loads.get(key);
    if (load === undefined) this.loads.set(key, (load = new ListenerLoad()));
    return load;
  }
}

/** What a request came to, for what the limit learns. */
export type AdmittedOutcome =
  /** Its status. */
  | number
  /** Its caller's deadline passed. */
  | 'late'
  /** It says nothing of the load: refused by another part of the policy, or its caller left for its own reasons. */
  | 'ignored';

/** Lets requests in, for one chain. */
export class InboundAdmission {
  private readonly load: ListenerLoad;
  private readonly loopDelay: LoopDelay;
  private readonly random: Random;
  private readonly maxRequests: number;
  private readonly maxLoopDelayMs: number;
  private readonly adaptive: AdaptiveLimit | undefined;
  private readonly overCap: InboundRefusal;
  private readonly overLimit: InboundRefusal;
  private readonly overDelay: InboundRefusal;

  constructor(config: AdmissionConfig, load: ListenerLoad, loopDelay: LoopDelay, random: Random) {
    this.load = load;
    this.loopDelay = loopDelay;
    this.random = random;
    this.maxRequests = config.maxRequests ?? Number.POSITIVE_INFINITY;
    this.maxLoopDelayMs = config.maxLoopDelayMs ?? Number.POSITIVE_INFINITY;
    this.adaptive = config.adaptive === undefined ? undefined : load.adaptiveLimit(config.adaptive);
    const headers = { 'retry-after': String(config.retryAfterSeconds ?? 1) };
    const refused = (details: string, flag: string): InboundRefusal =>
      // 14 = UNAVAILABLE, whatever the status: gRPC callers go elsewhere.
      refusal(config.status ?? 503, 'too many requests are under way', { details, flag, headers, grpcStatus: 14 });
    // Flags and details: Envoy's circuit breakers, adaptive concurrency and overload manager.
    this.overCap = refused('overload{max_requests}', 'UO');
    this.overLimit = refused('reached_concurrency_limit', 'UO');
    this.overDelay = refused('overload{event_loop_delay}', 'OM');
  }

  /** Takes a place; undefined = taken, and {@link release} gives it back. */
  admit(now: number, criticality: Criticality): InboundRefusal | undefined {
    const { load, adaptive } = this;
    if (load.inFlight >= Math.max(1, this.maxRequests * shareOfCap[criticality])) return this.overCap;
    if (
      this.maxLoopDelayMs !== Number.POSITIVE_INFINITY &&
      this.loopDelay.currentMs(now) > this.maxLoopDelayMs * timesOfDelay[criticality]
    )
      return this.overDelay;
    if (adaptive !== undefined && load.inFlight >= Math.max(1, adaptive.limit * shareOfLimit[criticality])) return this.overLimit;
    load.inFlight++;
    return undefined;
  }

  /** Requests under way: what {@link release} is to be told, read right after {@link admit}. */
  get inFlight(): number {
    return this.load.inFlight;
  }

  /** The adaptive limit now, for `status()`. */
  get limit(): number | undefined {
    return this.adaptive === undefined ? undefined : Math.floor(this.adaptive.limit);
  }

  /**
   * The response is over. `latencyMs` = from its start to the response head, since a long body says nothing of the load; `inFlight` as
   * it was when the request was let in.
   */
  release(outcome: AdmittedOutcome, latencyMs: number, inFlight: number, now: number): void {
    this.load.inFlight--;
    if (this.adaptive === undefined) return;
    const verdict = verdictOf(outcome);
    if (verdict === 'success' || verdict === 'dropped')
      this.adaptive.onSample({ latencyMs, inFlight, isDropped: verdict === 'dropped', now }, this.random);
  }
}

function verdictOf(outcome: AdmittedOutcome): LoadVerdict {
  if (outcome === 'ignored') return 'ignored';
  if (outcome === 'late') return 'dropped';
  return loadVerdict({ kind: 'response', status: outcome, grpcStatus: undefined, headers: {} });
}
