import type { MeshErrorCode } from '../../base/errors.ts';
import type { CusumConfig } from '../../model/detection.ts';
import { CusumDetector } from '../resilience/cusum.ts';
import type { ServingHosts } from '../resilience/cusum-gate.ts';
import type { CusumHost } from '../resilience/cusum-host.ts';
import type { Outcome } from '../resilience/outcome.ts';
import { setTrust, type HostRecord } from './host-record.ts';

/** Failures of a connection: requests that shared it fail together. */
const breaks: ReadonlySet<MeshErrorCode> = new Set([
  'MESH_CONNECT_FAILED',
  'MESH_CONNECT_TIMEOUT',
  'MESH_TLS_FAILED',
  'MESH_RESET',
  'MESH_REFUSED_STREAM',
  'MESH_PROTOCOL_ERROR',
  'MESH_BODY_ABORTED',
]);

/** What is done about its verdicts. */
export interface ComparisonActs {
  /** Takes a host out where that may be, and says whether it did. */
  eject(record: HostRecord, reason: string, now: number): boolean;
  /** All that requests go to are in trouble: what is known of those that are out is not worth much now. */
  onAllInTrouble(now: number): void;
}

/** The default detector (cusum.ts) at work on the hosts of a cluster: it is told what they do, and what it concludes is done. */
export class HostComparison {
  private readonly detector: CusumDetector;
  private readonly hosts: ServingHosts;
  private readonly acts: ComparisonActs;

  constructor(config: CusumConfig, hosts: ServingHosts, acts: ComparisonActs) {
    this.detector = new CusumDetector(config);
    this.hosts = hosts;
    this.acts = acts;
  }

  /** Applies a configuration; what was counted stays. */
  update(config: CusumConfig): void {
    this.detector.update(config);
  }

  get weighsLatency(): boolean {
    return this.detector.weighsLatency;
  }

  get weighsSilence(): boolean {
    return this.detector.weighsSilence;
  }

  /** A host of which nothing bad was heard answered: one increment. */
  count(now: number): void {
    this.detector.count(now);
  }

  /** An outcome that is not our own doing. */
  record(record: HostRecord, outcome: Outcome, isFailure: boolean, now: number): void {
    const { detector, hosts } = this;
    if (isFailure) {
      const state = this.stateOf(record, now);
      const isBreak = outcome.kind === 'failure' && breaks.has(outcome.code);
      this.conclude(record, state, detector.recordFailure(state, isBreak, now, hosts), now);
    } else if (record.cusum === undefined) detector.count(now);
    else {
      detector.recordSuccess(record.cusum, now, hosts);
      setTrust(record.host, record.cusum.trustRatio);
    }
  }

  /** An answer that was later than this share of those of its peers, as {@link CusumDetector.recordLatency} takes it. */
  recordLatency(record: HostRecord, rank: number, now: number): void {
    const state = this.stateOf(record, now);
    this.conclude(record, state, this.detector.recordLatency(state, rank, now, this.hosts), now);
  }

  /** Nats that its unanswered requests speak against it. */
  recordSilence(record: HostRecord, evidence: number, now: number): void {
    const state = this.stateOf(record, now);
    this.conclude(record, state, this.detector.recordSilence(state, evidence, now, this.hosts), now);
  }

  /** The host was taken out, by whatever detector. */
  ejected({ host, cusum }: HostRecord, now: number): void {
    if (cusum === undefined) return;
    this.detector.ejected(cusum, now);
    setTrust(host, cusum.trustRatio);
  }

  /** The host is back. */
  returned({ host, cusum }: HostRecord, now: number): void {
    if (cusum === undefined) return;
    this.detector.returned(cusum, now);
    setTrust(host, cusum.trustRatio);
  }

  /** The host is gone from the cluster. */
  forget({ cusum }: HostRecord, now: number): void {
    if (cusum !== undefined) this.detector.forget(cusum, now);
  }

  /** The evidence against a host as a share (0…1) of what is needed to take it out; undefined while there is none. */
  evidenceOf({ cusum }: HostRecord): number | undefined {
    return cusum === undefined ? undefined : this.detector.evidenceRatio(cusum);
  }

  /** Whether the host would be out by now if its peers were better, or there. */
  isHeldBack({ cusum }: HostRecord): boolean {
    return cusum?.isHeldBack === true;
  }

  private stateOf(record: HostRecord, now: number): CusumHost {
    return (record.cusum ??= this.detector.watch(this.hosts, now));
  }

  /** Takes the host out where that is the verdict and may be, else gives it the share that suspicion leaves it. */
  private conclude(record: HostRecord, state: CusumHost, isVerdict: boolean, now: number): void {
    if (isVerdict && this.acts.eject(record, this.detector.reasonOf(state), now)) return;
    setTrust(record.host, state.trustRatio);
    if (state.isHeldBack) this.acts.onAllInTrouble(now);
  }
}
