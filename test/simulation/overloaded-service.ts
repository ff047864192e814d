/** A service of known capacity in virtual time, and callers that offer it more than that through the limits of a cluster. */
import { seededRandom, type Random } from '../../src/base/runtime.ts';
import type { Criticality } from '../../src/base/request-context.ts';
import { ClusterLimits } from '../../src/data-plane/resilience/limits.ts';
import type { LimitsConfig } from '../../src/model/policy.ts';

/** What the service can do. */
export interface ServiceShape {
  /** Requests that it works on at a time; the others wait in its queue. */
  readonly workers: number;
  readonly serviceMs: number;
  /** The service time lies within this ratio of `serviceMs`, evenly. Default 0.1. */
  readonly jitterRatio?: number;
  /** Requests that wait at most; further ones are refused at once with 503. Default as many as come. */
  readonly maxQueue?: number;
  /** Work of a refusal, which takes a worker for so long. Default 0. */
  readonly refusalMs?: number;
}

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

interface Event {
  readonly at: number;
  readonly order: number;
  run(now: number): void;
}

/** Runs the load; callers are independent of each other, as many processes would be. */
export function offer(shape: ServiceShape, load: Load, config: LimitsConfig, seed = 1): LoadResult {
  const random = seededRandom(seed);
  const limits = new ClusterLimits(config);
  const queue = new EventQueue();
  const service = new Service(shape, queue, random);
  const half = (load.seconds * 1000) / 2;
  const offered = new Map<Criticality, number>();
  const refused = new Map<Criticality, number>();
  let good = 0;
  let sent = 0;
  let limitSum = 0;
  let limitCount = 0;
  const mix = Object.entries(load.mix ?? { critical: 1 }) as [Criticality, number][];

  const request = (now: number): void => {
    queue.add(now + (-Math.log(1 - random()) * 1000) / load.requestsPerSecond, request);
    const counts = now >= half;
    const criticality = draw(mix, random);
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
  };
  queue.add(0, request);
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

/** Works through its queue in order, also on requests whose caller has gone: it does not know. */
class Service {
  private readonly shape: ServiceShape;
  private readonly queue: EventQueue;
  private readonly random: Random;
  private readonly waiting: (() => void)[] = [];
  private busy = 0;

  constructor(shape: ServiceShape, queue: EventQueue, random: Random) {
    this.shape = shape;
    this.queue = queue;
    this.random = random;
  }

  handle(now: number, done: (now: number) => void, refuse: (now: number) => void): void {
    const { serviceMs, jitterRatio = 0.1, maxQueue = Number.POSITIVE_INFINITY, refusalMs = 0 } = this.shape;
    if (this.waiting.length >= maxQueue) {
      if (refusalMs === 0) refuse(now);
      else this.enqueue(refusalMs, refuse);
    } else this.enqueue(serviceMs * (1 + jitterRatio * (2 * this.random() - 1)), done);
  }

  private enqueue(workMs: number, done: (now: number) => void): void {
    this.waiting.push(() => {
      this.busy++;
      this.queue.add(this.queue.now + workMs, (later) => {
        this.busy--;
        done(later);
        this.next();
      });
    });
    this.next();
  }

  private next(): void {
    while (this.busy < this.shape.workers && this.waiting.length > 0) this.waiting.shift()!();
  }
}

/** What happens next, in order of time: a binary heap. */
class EventQueue {
  now = 0;
  private readonly heap: Event[] = [];
  private order = 0;

  add(at: number, run: (now: number) => void): void {
    const { heap } = this;
    const event: Event = { at, order: this.order++, run };
    let index = heap.length;
    heap.push(event);
    for (let parent = (index - 1) >> 1; index > 0 && isBefore(event, heap[parent]!); parent = (index - 1) >> 1) {
      heap[index] = heap[parent]!;
      heap[parent] = event;
      index = parent;
    }
  }

  runUntil(endMs: number): void {
    for (let event = this.take(); event !== undefined && event.at <= endMs; event = this.take()) {
      this.now = event.at;
      event.run(event.at);
    }
  }

  private take(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    heap[0] = last;
    for (;;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2])
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
      if (least === index) return first;
      heap[index] = heap[least]!;
      heap[least] = last;
      index = least;
    }
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function draw(mix: readonly [Criticality, number][], random: Random): Criticality {
  let ticket = random() * mix.reduce((sum, [, share]) => sum + share, 0);
  for (const [criticality, share] of mix) if ((ticket -= share) < 0) return criticality;
  return mix.at(-1)![0];
}
