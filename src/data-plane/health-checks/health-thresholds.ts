import type { HealthCheckConfig } from '../../model/health.ts';
import type { CheckVerdict } from './health-probe.ts';

/** What a verdict did: `pending` = it speaks against the state, and is not enough yet to change it. */
export type HealthTransition = 'unchanged' | 'pending' | 'changed';

/**
 * Whether an endpoint is well, by the verdicts of one check. It is not until the first check has passed; the first verdict counts
 * at once, whatever the thresholds, so that a start does not take `healthyThreshold` intervals. An answer that says "not well"
 * counts at once too: only silence and broken connections are counted up to `unhealthyThreshold`. Source: Envoy, "Health checking".
 */
export class HealthThresholds {
  isHealthy = false;
  isDegraded = false;
  /** No verdict yet. */
  isPending = true;
  /** Verdicts in a row against the state. */
  streak = 0;
  private readonly config: HealthCheckConfig;

  constructor(config: HealthCheckConfig) {
    this.config = config;
  }

  /** Takes a verdict in. */
  apply(verdict: CheckVerdict): HealthTransition {
    if (verdict.kind === 'unasked') return 'unchanged';
    return verdict.kind === 'passed'
      ? this.passed(verdict.isDegraded)
      : this.failed(verdict.kind === 'answer' && !verdict.onlyCounts);
  }

  private passed(isDegraded: boolean): HealthTransition {
    const isFirst = this.isPending;
    this.isPending = false;
    let transition: HealthTransition = isFirst || isDegraded !== this.isDegraded ? 'changed' : 'unchanged';
    this.isDegraded = isDegraded;
    if (this.isHealthy) this.streak = 0;
    else if (isFirst || ++this.streak >= this.config.healthyThreshold) {
      this.isHealthy = true;
      this.streak = 0;
      transition = 'changed';
    } else transition = 'pending';
    return transition;
  }

  private failed(isCertain: boolean): HealthTransition {
    const isFirst = this.isPending;
    this.isPending = false;
    if (!this.isHealthy) {
      this.streak = 0;
      return isFirst ? 'changed' : 'unchanged';
    }
    if (!isCertain && ++this.streak < this.config.unhealthyThreshold) return 'pending';
    this.isHealthy = false;
    this.streak = 0;
    return 'changed';
  }
}
