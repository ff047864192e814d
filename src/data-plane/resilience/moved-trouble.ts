/**
 * Tells a request that fails wherever it goes from a host that fails. Under a policy that hashes, all requests with a poisoned key meet
 * one host; when that is taken out they meet the next, which then looks as bad, and so on through the cluster.
 *
 * Assumption: trouble of a host ends with its ejection. What begins at another host as it ends there, at about the same failures a
 * second, so that those of the cluster have not become fewer, has moved along with requests. Then nobody else goes for failing more
 * often than its peers, for {@link holdMs}; the ejected host returns by its probe.
 *
 * What is not held: a host that nearly always fails, since no key is nearly all of its requests; one that failed already while the
 * other was there, since failures of two add up; one whose failures began later; lateness and silence. The price is a host that begins
 * to fail in part just when another was ejected: it stays until that one is back. Trouble that moved goes back with the requests then;
 * what remains is that of a host.
 */
import type { CusumHost } from './cusum-host.ts';
import { fastMs } from './cusum-rates.ts';

/** As long as the longest ejection by default. */
const holdMs = 300_000;
/** So long after the return of the ejected host its requests are there again, and with them the trouble. */
const settledMs = 10_000;
/** It began as soon as that: within so many of the failures that would have come to the ejected host. */
const soonFailures = 8;
/** At the same rate, within this factor. */
const sameFactor = 4;
/** A host that had more than this part of the failures of the ejected one before it went was in trouble of its own. */
const ownShare = 1 / 8;
/** A host that failed more than this part of its requests, and so many, since there is evidence against it nearly always fails. */
const nearlyAll = 0.9;
const manyFailures = 6;
/** Of fewer failures there is no rate. */
const minFailures = 3;

export class MovedTrouble {
  /** Monotonic milliseconds of the last ejection; failures of that host of late, and of them a millisecond. */
  private ejectedMs = Number.NEGATIVE_INFINITY;
  private failures = 0.1;
  private perMs = 0.1;
  private source: CusumHost | undefined = undefined;
  private heldUntilMs = Number.NEGATIVE_INFINITY;
  /** The hosts between which trouble is taken to have moved, and when the first of them came back. */
  private heldSource: CusumHost | undefined = undefined;
  private heldTarget: CusumHost | undefined = undefined;
  private returnedMs = Number.POSITIVE_INFINITY;

  /** A host goes. Its rates are folded. */
  ejected(host: CusumHost, now: number): void {
    const { rates, runFailures, runMs, isOnProbation } = host;
    this.source = host;
    this.ejectedMs = now;
    // A relapse is old trouble.
    this.failures = isOnProbation || runFailures < minFailures ? 0 : rates.fastFailures;
    this.perMs = this.failures / (fastMs * -Math.expm1((runMs - now - 1) / fastMs));
  }

  /** A host is back. */
  returned(host: CusumHost, now: number): void {
    if (host === this.heldSource) this.returnedMs = now;
  }

  /** A request of a host failed. Its rates are folded, and do not count it yet. */
  failed(host: CusumHost, now: number): void {
    const { ejectedMs } = this;
    if (host.markMs >= ejectedMs) return;
    // As it was when the other went.
    host.markMs = now;
    host.markFailures = host.rates.fastFailures * Math.exp((now - ejectedMs) / fastMs);
    host.sinceMark = 0;
  }

  /** Whether a host that should go now is to stay. */
  isHeld(host: CusumHost, now: number): boolean {
    const { threshold } = host;
    if (host.runFailures >= manyFailures && host.runFailures > host.runRequests * nearlyAll) return false;
    // Not for its failures.
    if (host.slow >= threshold || Math.min(host.silence, host.silenceBefore) >= threshold) return false;
    if (now < this.heldUntilMs) {
      if (host !== this.heldTarget || now - this.returnedMs < settledMs) return true;
      // It did not go back with its requests: it was trouble of this host after all.
      this.heldUntilMs = now;
      this.failures = 0;
      return false;
    }
    if (!this.hasMovedTo(host, now)) return false;
    this.heldUntilMs = now + holdMs;
    this.heldSource = this.source;
    this.heldTarget = host;
    this.returnedMs = Number.POSITIVE_INFINITY;
    return true;
  }

  private hasMovedTo(host: CusumHost, now: number): boolean {
    const { ejectedMs, failures, perMs } = this;
    if (
      failures === 0 ||
      host.isOnProbation ||
      host.markFailures > failures * ownShare ||
      (host.runMs - ejectedMs) * perMs > soonFailures
    )
      return false;
    const ratio = host.sinceMark / Math.max(1, now - ejectedMs) / perMs;
    return ratio * sameFactor >= 1 && ratio <= sameFactor;
  }
}
