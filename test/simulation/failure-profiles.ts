/** Whether and how a host fails. A profile is a function; write another one where these do not do. */
import type { Random } from '../../src/base/runtime.ts';
import { exponential } from './chance.ts';

/** `error`: answers with a 5xx. `refused`: no connection, at once. `silence`: nothing ever comes (a blackhole, a hung process). */
export type Fault = 'none' | 'error' | 'refused' | 'silence';

/** What happens to a request that comes at `now`. Called in order of time; `path` where requests differ. */
export type FailureProfile = (now: number, random: Random, path?: string) => Fault;

/** Never fails. */
export const healthy: FailureProfile = () => 'none';

/** A share of its requests fails, each independent of the others. */
export function errors(ratio: number, fault: Fault = 'error'): FailureProfile {
  return (_now, random) => (random() < ratio ? fault : 'none');
}

/** Refuses every connection: its process is gone. */
export const refusing: FailureProfile = () => 'refused';

/** Takes requests and never answers. */
export const blackhole: FailureProfile = () => 'silence';

/** The share of failures grows evenly from `from` at `startMs` to `to` after `durationMs`, and stays there. */
export function ramp(options: {
  readonly startMs: number;
  readonly durationMs: number;
  readonly from: number;
  readonly to: number;
}): FailureProfile {
  const { startMs, durationMs, from, to } = options;
  return (now, random) => {
    const grown = Math.min(1, Math.max(0, (now - startMs) / durationMs));
    return random() < from + (to - from) * grown ? 'error' : 'none';
  };
}

/** Now the one, now the other: `bad` for `badMs`, then `good` for `goodMs`, and so on from `startMs`. */
export function flapping(
  bad: FailureProfile,
  good: FailureProfile,
  options: { readonly startMs: number; readonly badMs: number; readonly goodMs: number },
): FailureProfile {
  const { startMs, badMs, goodMs } = options;
  return (now, random) => {
    const isBad = now >= startMs && (now - startMs) % (badMs + goodMs) < badMs;
    return (isBad ? bad : good)(now, random);
  };
}

/** `during` between the two moments, else `otherwise`. */
export function during(
  profile: FailureProfile,
  otherwise: FailureProfile,
  fromMs: number,
  untilMs = Number.POSITIVE_INFINITY,
): FailureProfile {
  return (now, random) => (now >= fromMs && now < untilMs ? profile : otherwise)(now, random);
}

/** A state that is on and off for exponential times: what modulates failures. Shared by hosts, their failures are correlated. */
export class OnOff {
  private isOn = false;
  private untilMs = -1;
  private readonly onMeanMs: number;
  private readonly offMeanMs: number;
  private readonly random: Random;

  constructor(options: { readonly onMeanMs: number; readonly offMeanMs: number }, random: Random) {
    this.onMeanMs = options.onMeanMs;
    this.offMeanMs = options.offMeanMs;
    this.random = random;
    // In its stationary state from the start: which is on with its share of the time.
    this.isOn = random() < options.onMeanMs / (options.onMeanMs + options.offMeanMs);
    this.untilMs = exponential(random, this.isOn ? options.onMeanMs : options.offMeanMs);
  }

  /** Whether it is on at `now`; ask in order of time. */
  at(now: number): boolean {
    while (now >= this.untilMs) {
      this.isOn = !this.isOn;
      this.untilMs += exponential(this.random, this.isOn ? this.onMeanMs : this.offMeanMs);
    }
    return this.isOn;
  }
}

/** A Markov-modulated share of failures: errors that come in bursts. */
export function modulated(state: OnOff, on: FailureProfile, off: FailureProfile): FailureProfile {
  return (now, random) => (state.at(now) ? on : off)(now, random);
}
