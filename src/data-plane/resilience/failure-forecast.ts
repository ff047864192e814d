/**
 * How many endpoints of a cluster to expect down, from how often they failed and how long they stayed away. It plans; it ejects
 * nobody.
 *
 * Endpoints fail with a rate λ each while they are up, and come back with a rate μ while they are down. Both are estimated as
 * Gamma–Poisson: with a prior of `a` events in an exposure of `t` and `n` events seen in `T`, the rate has the distribution
 * Gamma(a + n, t + T). From it follow
 *   - losses in the next window: negative binomial, which is what a Poisson count becomes when its rate is known only so well. A
 *     count of events over their time (the plug-in Poisson) would call a fleet safe that was merely watched for a short while.
 *   - endpoints down at once: P(x) = e^(−λ/μ) (λ/μ)^x / x! for a large fleet, where λ is the rate of the whole fleet (the number of
 *     busy servers in M/G/∞: it does not matter how repair times are distributed, only their mean). A fleet of N cannot lose more
 *     than N: Binomial(N, λ₁/(λ₁ + μ₁)), of which the former is the limit.
 *   - the reserve: the fewest endpoints r with P(more than r down at once) ≤ 1 in 1000. Ejection must be able to take so many out,
 *     and when more are out the likelier cause is the detector or something that all of them share: panic is right then.
 *
 * Assumes that endpoints fail independently, at a rate that does not change. A deploy, a zone, a database that all depend on breaks
 * that; see docs/explanation/failure-forecast.md.
 */

/** What is thought before anything was seen: half a failure in half a week of an endpoint. So weak that the first failures outweigh it. */
const priorFailures = 0.5;
const priorUpMs = 3.5 * 86_400_000;
/** Half a return in 2.5 s: an ejection lasts 5 s at first. */
const priorReturns = 0.5;
const priorDownMs = 2500;
/** What `losses` speak of: the next hour. */
const forecastWindowMs = 3_600_000;
/** How often the reserve may be too small. */
const shortfall = 0.001;
/** Losses 0 … 4 and more. */
const maxLosses = 4;

/** The forecast for a cluster, as `mesh.status()` shows it. */
export interface Forecast {
  /** Failures seen, and the time of all endpoints together in which they were. */
  readonly failuresSeen: number;
  readonly endpointHours: number;
  /** λ: failures of one endpoint a day, as estimated: with little to go by, nearer to the opinion it began with than to what was seen. */
  readonly failuresPerEndpointDay: number;
  /** 1/μ: how long an endpoint stays away, in milliseconds. */
  readonly meanRepairMs: number;
  /** λ/μ of the whole cluster: endpoints down at once, on average. */
  readonly expectedDown: number;
  /** Chance that at least 1, 2, 3, 4 endpoints are lost in the next hour. */
  readonly lossesNextHour: readonly number[];
  /** Endpoints to have beyond what the load needs: more are down at once with a chance of 1 in 1000 at most. */
  readonly reserve: number;
  /** The least `maxEjectionPercent` that lets the reserve be out. */
  readonly leastMaxEjectionPercent: number;
  /** The largest `panicThresholdPercent` that does not begin before the reserve is used up. */
  readonly mostPanicThresholdPercent: number;
}

/** Counts the failures of a cluster's endpoints. Written when an endpoint goes or comes back, read for the status. */
export class FailureForecast {
  private failures = 0;
  private returns = 0;
  private upMs = 0.1;
  private downMs = 0.1;
  private total = 0;
  private down = 0;
  private sinceMs: number;

  constructor(now: number) {
    this.sinceMs = now;
    this.upMs = 0;
    this.downMs = 0;
  }

  /** The cluster has so many endpoints from now on, of which so many are down. */
  setEndpoints(total: number, down: number, now: number): void {
    this.advance(now);
    this.total = total;
    this.down = Math.min(down, total);
  }

  /** An endpoint was taken out. */
  wentDown(now: number): void {
    this.advance(now);
    this.failures++;
    this.down = Math.min(this.down + 1, this.total);
  }

  /** An endpoint is back. */
  cameUp(now: number): void {
    this.advance(now);
    this.returns++;
    this.down = Math.max(0, this.down - 1);
  }

  /** What to expect now. */
  read(now: number): Forecast {
    this.advance(now);
    const { total } = this;
    const events = priorFailures + this.failures;
    const exposureMs = priorUpMs + this.upMs;
    const failRate = events / exposureMs;
    const repairRate = (priorReturns + this.returns) / (priorDownMs + this.downMs);
    const reserve = total === 0 ? 0 : Math.min(total, quantile(total, failRate / (failRate + repairRate), shortfall));
    return {
      failuresSeen: this.failures,
      endpointHours: this.upMs / 3_600_000,
      failuresPerEndpointDay: failRate * 86_400_000,
      meanRepairMs: 1 / repairRate,
      expectedDown: (total * failRate) / repairRate,
      lossesNextHour: atLeast(negativeBinomial(events, exposureMs, (total - this.down) * forecastWindowMs)),
      reserve,
      leastMaxEjectionPercent: total === 0 ? 100 : Math.ceil((100 * Math.max(1, reserve)) / total),
      mostPanicThresholdPercent: total === 0 ? 0 : Math.floor((100 * (total - Math.max(1, reserve))) / total),
    };
  }

  private advance(now: number): void {
    const elapsedMs = Math.max(0, now - this.sinceMs);
    this.sinceMs = Math.max(now, this.sinceMs);
    this.upMs += elapsedMs * (this.total - this.down);
    this.downMs += elapsedMs * this.down;
  }
}

/** Chances of 0, 1, … `maxLosses` − 1 events in the exposure ahead, of a rate that is Gamma(events, exposure). */
export function negativeBinomial(events: number, exposureMs: number, aheadMs: number): readonly number[] {
  const share = aheadMs / (exposureMs + aheadMs);
  let chance = (1 - share) ** events;
  return Array.from({ length: maxLosses }, (_, count) => {
    const current = chance;
    chance *= ((events + count) / (count + 1)) * share;
    return current;
  });
}

/** Chances of at least 1, 2, … from those of exactly 0, 1, … */
function atLeast(exactly: readonly number[]): readonly number[] {
  let rest = 1;
  return exactly.map((chance) => (rest = Math.max(0, rest - chance)));
}

/** The smallest r with P(more than r of `count`) ≤ `tail`, each with `chance`. In logarithms, so that large fleets do not underflow. */
export function quantile(count: number, chance: number, tail: number): number {
  const odds = Math.log(chance) - Math.log1p(-chance);
  let logChance = count * Math.log1p(-chance);
  let below = Math.exp(logChance);
  let reached = 0;
  while (below < 1 - tail && reached < count) {
    logChance += Math.log((count - reached) / (reached + 1)) + odds;
    reached++;
    below += Math.exp(logChance);
  }
  return reached;
}
