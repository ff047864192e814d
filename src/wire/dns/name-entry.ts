/**
 * What is known of one name, and its life: fresh → stale → refreshed. One look-up at a time, for however many wait.
 *
 *   found     replaces what was known; the version changes only when the addresses do (their order does not count)
 *   gone      authoritative "no such name": what was known is dropped, and the answer kept for `negativeTtlMs`
 *   failed    SERVFAIL, no answer: what was known stays, and the next try backs off from 1 s to 30 s
 *
 * Timers run only while somebody watches; otherwise questions drive the refreshes.
 */
import type { MeshError } from '../../base/errors.ts';
import { reconnectBackoff } from '../../base/backoff.ts';
import type { Clock, Random, Timer } from '../../base/runtime.ts';
import type { DnsAddress, DnsAnswer, DnsListener } from './contract.ts';
import { freshForMs, type FreshnessLimits } from './freshness.ts';
import type { Attempted, Found, FoundAddress, LookupMemory, LookupOutcome } from './lookup.ts';

/** What all names of a resolver share. */
export interface EntryContext extends FreshnessLimits {
  readonly clock: Clock;
  readonly random: Random;
  readonly staleMs: number;
  readonly negativeTtlMs: number;
  readonly timeoutMs: number;
  readonly nextVersion: () => number;
  readonly isClosed: () => boolean;
}

/** How the entry asks, and how it words a failure. */
export interface Inquiry {
  lookup(tried: Attempted[], previous: LookupMemory | undefined): Promise<LookupOutcome>;
  failure(outcome: Exclude<LookupOutcome, { kind: 'found' }>, tried: readonly Attempted[]): MeshError;
}

const retryBaseMs = 1000;
const maxRetryMs = 30_000;
/** Answers are kept by port; a caller that walks all ports must not fill the memory. */
const maxPorts = 64;

export class NameEntry {
  /** Why the last look-up had no answer. */
  error: MeshError | undefined = undefined;
  private readonly context: EntryContext;
  private readonly inquiry: Inquiry;
  private found: Found | undefined = undefined;
  private key = '';
  private version = 0;
  private freshUntilMs = 0;
  private retryAtMs = 0;
  private failures = 0;
  private lastUsedMs: number;
  private flight: Promise<void> | undefined = undefined;
  private isLatePending = false;
  private timer: Timer | undefined = undefined;
  private readonly listeners = new Set<{ readonly port: number | undefined; readonly call: DnsListener }>();
  private readonly answers = new Map<number | undefined, DnsAnswer>();

  /** `known` is for names that need no look-up: literals. */
  constructor(context: EntryContext, inquiry: Inquiry, known?: Found) {
    this.context = context;
    this.inquiry = inquiry;
    this.lastUsedMs = context.clock.now();
    if (known !== undefined) this.accept(known, []);
  }

  get isWatched(): boolean {
    return this.listeners.size > 0;
  }

  /** What is known, with `port` beside each address that has none of its own. */
  answer(port: number | undefined): DnsAnswer | undefined {
    if (this.found === undefined) return undefined;
    const last = this.answers.get(port);
    if (last !== undefined && last.version === this.version && last.freshUntilMs === this.freshUntilMs) return last;
    const { refused } = this.found;
    const isSame = last !== undefined && last.version === this.version;
    const answer: DnsAnswer = Object.freeze({
      addresses: isSame ? last.addresses : withPort(this.found.addresses, port),
      alternates: isSame ? last.alternates : withPort(this.found.alternates, port),
      freshUntilMs: this.freshUntilMs,
      version: this.version,
      ...(refused.length > 0 ? { refused } : {}),
    });
    if (this.answers.size >= maxPorts) this.answers.clear();
    this.answers.set(port, answer);
    return answer;
  }

  /** Notes that the name is in use, and refreshes it behind when it is stale. */
  use(): void {
    const now = this.context.clock.now();
    this.lastUsedMs = now;
    if (now >= this.dueMs()) void this.refresh();
  }

  /** After {@link use}: whether there is something to wait for, and no answer that is good enough meanwhile. */
  mustWait(): boolean {
    if (this.flight === undefined) return false;
    return this.found === undefined || this.context.clock.now() - this.freshUntilMs > this.context.staleMs;
  }

  /** Looks the name up, or joins the look-up under way. Never rejects. */
  refresh(): Promise<void> {
    if (this.flight !== undefined) return this.flight;
    if (this.isLatePending) return Promise.resolve();
    this.flight = this.lookUp().finally(() => {
      this.flight = undefined;
      this.schedule();
    });
    return this.flight;
  }

  watch(port: number | undefined, call: DnsListener): () => void {
    const listener = { port, call };
    this.listeners.add(listener);
    this.use();
    this.schedule();
    return () => {
      this.listeners.delete(listener);
      if (!this.isWatched) this.stop();
    };
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private dueMs(): number {
    return this.error === undefined ? this.freshUntilMs : this.retryAtMs;
  }

  private async lookUp(): Promise<void> {
    const tried: Attempted[] = [];
    const outcome = await this.within(this.inquiry.lookup(tried, this.found?.memory));
    this.accept(outcome, tried);
    if (outcome.kind !== 'found' || outcome.late === undefined) return;
    this.isLatePending = true;
    void this.within(outcome.late).then((late) => {
      this.isLatePending = false;
      // A family that fails late takes nothing away from the one that answered.
      if (late.kind === 'found') this.accept(late, tried);
      this.schedule();
    });
  }

  /** The outcome, or a failure once the question has taken `timeoutMs`. */
  private within(outcome: Promise<LookupOutcome>): Promise<LookupOutcome> {
    return new Promise((resolve) => {
      const timer = this.context.clock.setTimer(() => resolve({ kind: 'failed', code: 'ETIMEOUT' }), this.context.timeoutMs);
      const settle = (result: LookupOutcome): void => {
        timer.cancel();
        resolve(result);
      };
      outcome.then(settle, (cause: unknown) => settle({ kind: 'failed', code: 'EUNKNOWN', cause }));
    });
  }

  private accept(outcome: LookupOutcome, tried: readonly Attempted[]): void {
    const { clock, random, negativeTtlMs } = this.context;
    const now = clock.now();
    if (this.context.isClosed()) return;
    if (outcome.kind === 'found') {
      this.failures = 0;
      this.error = undefined;
      this.freshUntilMs =
        outcome.ttlMs === Number.POSITIVE_INFINITY ? outcome.ttlMs : now + freshForMs(outcome.ttlMs, this.context, random);
      const key = keyOf(outcome);
      const isSame = this.found !== undefined && key === this.key;
      this.found = isSame ? { ...outcome, addresses: this.found!.addresses, alternates: this.found!.alternates } : outcome;
      if (isSame) return;
      this.key = key;
      this.version = this.context.nextVersion();
      this.notify();
      return;
    }
    this.error = this.inquiry.failure(outcome, tried);
    if (outcome.kind === 'failed') {
      this.failures += 1;
      this.retryAtMs = now + reconnectBackoff(this.failures, random, retryBaseMs, maxRetryMs);
    } else {
      this.failures = 0;
      this.found = undefined;
      this.answers.clear();
      this.retryAtMs = now + freshForMs(negativeTtlMs, this.context, random);
    }
    this.notify();
  }

  private notify(): void {
    for (const { port, call } of this.listeners) {
      try {
        call(this.answer(port), this.error);
      } catch (error) {
        // A listener's own mistake must neither stop the others nor pass unseen.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** While somebody watches: at the end of freshness, and every `staleMs` at least once nobody has asked for that long. */
  private schedule(): void {
    this.stop();
    if (!this.isWatched || this.flight !== undefined || this.context.isClosed()) return;
    const now = this.context.clock.now();
    const isIdle = now - this.lastUsedMs > this.context.staleMs;
    const delayMs = Math.max(this.dueMs() - now, isIdle ? this.context.staleMs : 1);
    if (delayMs === Number.POSITIVE_INFINITY) return;
    this.timer = this.context.clock.setTimer(() => void this.refresh(), delayMs);
  }
}

function withPort(addresses: readonly FoundAddress[], port: number | undefined): readonly DnsAddress[] {
  return Object.freeze(addresses.map((found) => Object.freeze({ ...found, port: found.port ?? port ?? 0 })));
}

/** Equal for equal sets: name servers rotate the order of their records. */
function keyOf({ addresses, alternates, refused }: Found): string {
  const part = (list: readonly FoundAddress[]): string =>
    list
      .map(({ address, port, weight, priority }) => `${address} ${port} ${weight} ${priority}`)
      .sort()
      .join(',');
  return `${part(addresses)}|${part(alternates)}|${[...refused].sort().join(',')}`;
}
