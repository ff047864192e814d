import type { Random } from '../../../src/base/runtime.ts';
import type { DetectorSetting } from './detector.ts';

/** When hosts may be taken out, for how long, and how they come back. */
export interface EjectionPolicy {
  /** Length of the n-th ejection in a row, n from 1. */
  durationMs(nth: number, random: Random): number;
  /** Whether one more may go. */
  mayEject(out: number, total: number): boolean;
  /** `whole`: when the time is over. `probe`: the next request decides; a failure prolongs the ejection. */
  readonly returns: 'whole' | 'probe';
  /** Each so long in service makes the next ejection one step shorter; absent = the first return makes it the first again. */
  readonly forgivesEachMs?: number;
}

/** Keeps who is out, for the detectors that are written here. */
export class Ejections {
  private readonly setting: DetectorSetting;
  private readonly policy: EjectionPolicy;
  private readonly onReturn: (host: number) => void;
  /** 0 = in service. */
  private readonly untilMs: Float64Array;
  private readonly returnedMs: Float64Array;
  private readonly times: Uint32Array;
  private out = 0;

  constructor(setting: DetectorSetting, policy: EjectionPolicy, onReturn: (host: number) => void) {
    this.setting = setting;
    this.policy = policy;
    this.onReturn = onReturn;
    this.untilMs = new Float64Array(setting.hosts);
    this.returnedMs = new Float64Array(setting.hosts);
    this.times = new Uint32Array(setting.hosts);
  }

  /** Whether the outcome counts as that of a host in service. Lets the host return when it is time. */
  counts(host: number, isFailure: boolean, now: number): boolean {
    const until = this.untilMs[host]!;
    if (until === 0) return true;
    if (now < until) return false;
    if (this.policy.returns === 'probe') {
      if (isFailure) this.untilMs[host] = now + this.nextDurationMs(host);
      else this.return(host, now);
      return false;
    }
    this.return(host, until);
    return true;
  }

  isOut(host: number, now: number): boolean {
    const until = this.untilMs[host]!;
    return until !== 0 && (now < until || this.policy.returns === 'probe');
  }

  /** Lets everybody return whose time is over: for detectors that look once in an interval. */
  returnWhole(now: number): void {
    for (let host = 0; host < this.untilMs.length; host++)
      if (this.untilMs[host] !== 0 && now >= this.untilMs[host]!) this.return(host, now);
  }

  /** Takes a host out, if that is allowed. */
  tryEject(host: number, now: number): boolean {
    if (this.untilMs[host] !== 0 || !this.policy.mayEject(this.out, this.setting.hosts)) return false;
    const { forgivesEachMs } = this.policy;
    const forgiven =
      forgivesEachMs === undefined ? this.times[host]! : Math.floor((now - this.returnedMs[host]!) / forgivesEachMs);
    this.times[host] = Math.max(0, this.times[host]! - forgiven);
    this.untilMs[host] = now + this.nextDurationMs(host);
    this.out++;
    this.setting.onEject(host, now);
    return true;
  }

  private nextDurationMs(host: number): number {
    return this.policy.durationMs(++this.times[host]!, this.setting.random);
  }

  private return(host: number, now: number): void {
    this.untilMs[host] = 0;
    this.returnedMs[host] = now;
    this.out--;
    this.onReturn(host);
  }
}

/** Envoy's and gRPC's: 30 s, 60 s … 300 s. */
export function linearDurationMs(nth: number): number {
  return Math.min(300_000, 30_000 * nth);
}
