import type { Random } from '../../src/base/runtime.ts';
import type { EventQueue } from './event-queue.ts';
import { evenLatency, type LatencyProfile } from './latency-profiles.ts';

/** What a service can do. */
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

/** A service of known capacity. It works through its queue in order, also on requests whose caller has gone: it does not know. */
export class BusyService {
  private readonly shape: ServiceShape;
  private readonly queue: EventQueue;
  private readonly random: Random;
  private readonly work: LatencyProfile;
  private readonly waiting: (() => void)[] = [];
  private busy = 0;

  constructor(shape: ServiceShape, queue: EventQueue, random: Random) {
    this.shape = shape;
    this.queue = queue;
    this.random = random;
    this.work = evenLatency(shape.serviceMs, shape.jitterRatio ?? 0.1);
  }

  /** A request comes; one of the two is called in the end. */
  handle(now: number, done: (now: number) => void, refuse: (now: number) => void): void {
    const { maxQueue = Number.POSITIVE_INFINITY, refusalMs = 0 } = this.shape;
    if (this.waiting.length >= maxQueue) {
      if (refusalMs === 0) refuse(now);
      else this.enqueue(refusalMs, refuse);
    } else this.enqueue(this.work(now, this.random), done);
  }

  private enqueue(workMs: number, done: (now: number) => void): void {
    this.waiting.push(() => {
      this.busy++;
      this.queue.add(this.queue.now() + workMs, (later) => {
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
