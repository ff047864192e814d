import { CusumDetector } from '../../../../src/data-plane/resilience/cusum.ts';
import type { CusumHost } from '../../../../src/data-plane/resilience/cusum-host.ts';
import type { CusumConfig } from '../../../../src/model/detection.ts';

/** A cluster of so many hosts under the default detector, without the rest of the mesh: whoever must go is out at once. */
export class WatchedHosts {
  readonly detector: CusumDetector;
  readonly states: (CusumHost | undefined)[];
  readonly out: boolean[];
  serving: number;
  /** Host, and when it went. */
  readonly ejections: { readonly host: number; readonly atMs: number; readonly reason: string }[] = [];

  constructor(hosts: number, config: CusumConfig = {}) {
    this.detector = new CusumDetector(config);
    this.states = Array.from({ length: hosts }, () => undefined);
    this.out = Array.from({ length: hosts }, () => false);
    this.serving = hosts;
  }

  /** One request of the host finished. True when it had to go. */
  finish(host: number, isFailure: boolean, now: number, isBreak = false): boolean {
    const state = this.states[host];
    if (isFailure) {
      const watched = (this.states[host] ??= this.detector.watch(this, now));
      return this.detector.recordFailure(watched, isBreak, now, this) && this.eject(host, now);
    }
    if (state === undefined) this.detector.count(now);
    else this.detector.recordSuccess(state, now, this);
    return false;
  }

  silent(host: number, evidence: number, now: number): boolean {
    const watched = (this.states[host] ??= this.detector.watch(this, now));
    return this.detector.recordSilence(watched, evidence, now, this) && this.eject(host, now);
  }

  late(host: number, rank: number, now: number): boolean {
    const watched = (this.states[host] ??= this.detector.watch(this, now));
    return this.detector.recordLatency(watched, rank, now, this) && this.eject(host, now);
  }

  /** Its probe succeeded. */
  return(host: number, now: number): void {
    this.out[host] = false;
    this.serving++;
    this.detector.returned(this.states[host]!, now);
  }

  private eject(host: number, now: number): boolean {
    const state = this.states[host]!;
    this.ejections.push({ host, atMs: now, reason: this.detector.reasonOf(state) });
    this.detector.ejected(state, now);
    this.out[host] = true;
    this.serving--;
    return true;
  }
}

/** Requests to hosts in turn, one every `everyMs`, `count` of them from `startMs` on; a host that is out is passed over. Returns the end. */
export function inTurn(
  hosts: WatchedHosts,
  { startMs, everyMs, count }: { readonly startMs: number; readonly everyMs: number; readonly count: number },
  isFailure: (host: number, index: number) => boolean,
): number {
  let now = startMs;
  for (let index = 0; index < count; index++) {
    const host = index % hosts.states.length;
    if (!hosts.out[host]) hosts.finish(host, isFailure(host, index), now);
    now += everyMs;
  }
  return now;
}
