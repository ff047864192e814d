import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { FailureForecast, negativeBinomial, quantile } from '../../../../src/data-plane/resilience/failure-forecast.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** A cluster of `total` whose endpoints failed `failures` times in `days`, and were away for `awayMs` each time. */
function watched(total: number, days: number, failures: number, awayMs: number): FailureForecast {
  const forecast = new FailureForecast(0);
  forecast.setEndpoints(total, 0, 0);
  for (let failure = 1; failure <= failures; failure++) {
    const at = (failure * days * dayMs) / (failures + 1);
    forecast.wentDown(at);
    forecast.cameUp(at + awayMs);
  }
  return forecast;
}

describe('quantile of endpoints down at once', () => {
  /** Straight from the definition. */
  function exact(count: number, chance: number, tail: number): number {
    let below = 0;
    for (let down = 0; down <= count; down++) {
      let ways = 1;
      for (let each = 0; each < down; each++) ways *= (count - each) / (each + 1);
      below += ways * chance ** down * (1 - chance) ** (count - down);
      if (below >= 1 - tail) return down;
    }
    return count;
  }

  for (const [count, chance] of [
    [1, 0.01],
    [3, 0.001],
    [3, 0.2],
    [10, 0.05],
    [50, 0.3],
  ] as const) {
    it(`is that of the binomial for ${count} endpoints that are down for ${chance} of the time`, () => {
      assert.equal(quantile(count, chance, 0.001), exact(count, chance, 0.001));
    });
  }

  it('is that of the seed formula e^(−λ/μ)(λ/μ)^x/x! for a large fleet', () => {
    const load = 2;
    let chance = Math.exp(-load);
    let below = 0;
    let poisson = 0;
    for (; ; poisson++) {
      below += chance;
      if (below >= 0.999) break;
      chance *= load / (poisson + 1);
    }
    assert.equal(quantile(100_000, load / 100_000, 0.001), poisson);
  });

  it('does not underflow where half of 10,000 are down', () => {
    // Mean 5000, standard deviation 50: 3.09 of them above.
    assert.ok(Math.abs(quantile(10_000, 0.5, 0.001) - 5155) <= 2);
  });
});

describe('FailureForecast', () => {
  it('expects little of a fleet that it has hardly watched, and not nothing', () => {
    const forecast = new FailureForecast(0);
    forecast.setEndpoints(5, 0, 0);
    const { lossesNextHour, failuresSeen, reserve, leastMaxEjectionPercent, mostPanicThresholdPercent } = forecast.read(1000);
    assert.equal(failuresSeen, 0);
    // Half a failure in half a week: (84 / (84 + 5))^0.5 of no failure in 5 endpoint-hours.
    assert.ok(Math.abs(lossesNextHour[0]! - (1 - Math.sqrt(84 / 89))) < 1e-4, `${lossesNextHour[0]}`);
    // One may always be ejected, also where no reserve is called for.
    assert.deepEqual([reserve, leastMaxEjectionPercent, mostPanicThresholdPercent], [0, 20, 80]);
  });

  it('has the rates that were seen once enough was seen', () => {
    // 10 endpoints for 30 days, 300 failures of 60 s: one a day each.
    const { failuresPerEndpointDay, meanRepairMs, expectedDown, endpointHours } = watched(10, 30, 300, 60_000).read(30 * dayMs);
    assert.ok(Math.abs(failuresPerEndpointDay - 1) < 0.02, `${failuresPerEndpointDay}`);
    assert.ok(Math.abs(meanRepairMs - 60_000) < 300, `${meanRepairMs}`);
    // 10 a day × 60 s = 600 of 86,400 s.
    assert.ok(Math.abs(expectedDown - 600 / 86_400) < 0.0002, `${expectedDown}`);
    assert.ok(Math.abs(endpointHours - 7195) < 1, `${endpointHours}`);
  });

  it('wants a larger reserve where endpoints stay away longer', () => {
    const reserves = [10_000, hourMs, 6 * hourMs].map((awayMs) => watched(20, 30, 60, awayMs).read(30 * dayMs).reserve);
    assert.deepEqual(
      reserves,
      reserves.toSorted((a, b) => a - b),
    );
    assert.ok(reserves[2]! >= 4, reserves.join());
  });

  it('counts no more endpoints down than there are, and none of an empty cluster', () => {
    const forecast = new FailureForecast(0);
    assert.deepEqual(forecast.read(hourMs).lossesNextHour, [0, 0, 0, 0]);
    forecast.setEndpoints(1, 0, 0);
    for (let failure = 0; failure < 5; failure++) forecast.wentDown(hourMs);
    const { lossesNextHour, expectedDown } = forecast.read(2 * hourMs);
    assert.deepEqual(lossesNextHour, [0, 0, 0, 0]);
    assert.ok(Number.isFinite(expectedDown));
  });

  it('is better calibrated after a short while than a plug-in Poisson rate and than the rate of the last hour', () => {
    // Fleets whose rates differ (a factor of ten both ways), watched for two days; then one more hour is forecast.
    const random = seededRandom(5);
    const loss = { forecast: 0, plugIn: 0, lastHour: 0 };
    const score = (chance: number, happened: boolean): number => {
      const bounded = Math.min(1 - 1e-6, Math.max(1e-6, chance));
      return -Math.log(happened ? bounded : 1 - bounded);
    };
    for (let fleet = 0; fleet < 4000; fleet++) {
      const perHour = 0.06 * 10 ** (2 * random() - 1);
      let failures = 0;
      let inLastHour = 0;
      for (let hour = 0; hour < 48; hour++) {
        inLastHour = random() < 1 - Math.exp(-perHour) ? 1 : 0;
        failures += inLastHour;
      }
      const happened = random() < 1 - Math.exp(-perHour);
      const watchedFleet = watched(10, 2, failures, 30_000).read(2 * dayMs);
      loss.forecast += score(watchedFleet.lossesNextHour[0]!, happened);
      loss.plugIn += score(1 - Math.exp(-failures / 48), happened);
      loss.lastHour += score(1 - Math.exp(-inLastHour), happened);
    }
    assert.ok(loss.forecast < 0.97 * loss.plugIn && loss.forecast < 0.5 * loss.lastHour, JSON.stringify(loss));
  });

  it('gives the negative binomial of a Gamma rate', () => {
    // Gamma(1, t) is an exponential rate: the count ahead is geometric.
    assert.deepEqual(negativeBinomial(1, 3, 1), [0.75, 0.75 * 0.25, 0.75 * 0.25 ** 2, 0.75 * 0.25 ** 3]);
  });
});
