/** A service of known capacity in virtual time, and callers that offer it more than that through the limits of a cluster. */
import { seededRandom } from '../../src/base/runtime.ts';
import type { Criticality } from '../../src/base/request-context.ts';
import { ClusterLimits } from '../../src/data-plane/resilience/limits.ts';
import type { LimitsConfig } from '../../src/model/policy.ts';
import { BusyService, type ServiceShape } from './busy-service.ts';
import { drawByShare } from './chance.ts';
import { EventQueue } from './event-queue.ts';
import { poissonArrivals } from './poisson-arrivals.ts';

/** What is offered to it. */
export interface Load {
  readonly requestsPerSecond: number;
  readonly seconds: number;
  /** A response that comes later is of no use to anybody. */
  readonly timeoutMs: number;
  /** Drawn for each request by its share. Default all critical. */
  readonly mix?: Readonly<Partial<Record<Criticality, number>>>;
}

/** What came of it, in the second half of the time: the first is for learning. */
export interface LoadResult {
  readonly offered: number;
  /** Answered in time, a second. */
  readonly goodputPerSecond: number;
  /** Let through to the service, a second. */
  readonly sentPerSecond: number;
  /** Refused here, 0…1 of those offered, by criticality. */
  readonly refusedShare: Readonly<Partial<Record<Criticality, number>>>;
  /** Average of the adaptive limit. */
  readonly limit: number;
}

/** Runs the load; callers are independent of each other, as many processes would be. */
export function offer(shape: ServiceShape, load: Load, config: LimitsConfig, seed = 1): LoadResult {
  const random = seededRandom(seed);
  const limits = new ClusterLimits(config);
  const queue = new EventQueue();
  const service = new BusyService(shape, queue, random);
  const half = (load.seconds * 1000) / 2;
  const offered = new Map<Criticality, number>();
  const refused = new Map<Criticality, number>();
  let good = 0;
  let sent = 0;
  let limitSum = 0;
  let limitCount = 0;
  const mix = Object.entries(load.mix ?? { critical: 1 }) as [Criticality, number][];

  poissonArrivals(queue, load, random, (now) => {
    const counts = now >= half;
    const criticality = drawByShare(mix, random);
    if (counts) offered.set(criticality, (offered.get(criticality) ?? 0) + 1);
    if (limits.admit(now, random, criticality) !== undefined) {
      if (counts) refused.set(criticality, (refused.get(criticality) ?? 0) + 1);
      return;
    }
    const { inFlight, limit } = limits.admission;
    if (counts) {
      sent++;
      limitSum += limit ?? 0;
      limitCount++;
    }
    let isOver = false;
    const end = (verdict: 'success' | 'dropped') => (later: number) => {
      if (isOver) return;
      isOver = true;
      limits.releaseRequest();
      limits.onOutcome(verdict, later - now, inFlight, later, random);
      if (verdict === 'success' && counts) good++;
    };
    queue.add(now + load.timeoutMs, end('dropped'));
    service.handle(now, end('success'), end('dropped'));
  });
  queue.runUntil(load.seconds * 1000);
  const refusedShare = Object.fromEntries(mix.map(([each]) => [each, (refused.get(each) ?? 0) / (offered.get(each) ?? 1)]));
  return {
    offered: [...offered.values()].reduce((sum, count) => sum + count, 0),
    goodputPerSecond: (good * 2) / load.seconds,
    sentPerSecond: (sent * 2) / load.seconds,
    refusedShare,
    limit: limitSum / limitCount,
  };
}
