import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextCheckMs } from '../../../../src/data-plane/health-checks/check-interval.ts';
import type { HealthCheckConfig } from '../../../../src/model/health.ts';

const plain: HealthCheckConfig = { kind: 'http', timeoutMs: 1, intervalMs: 10_000, healthyThreshold: 1, unhealthyThreshold: 1 };
const all: HealthCheckConfig = {
  ...plain,
  noTrafficIntervalMs: 20_000,
  noTrafficHealthyIntervalMs: 30_000,
  unhealthyIntervalMs: 4000,
  unhealthyEdgeIntervalMs: 3000,
  healthyEdgeIntervalMs: 2000,
};
const passed = { hasPassed: true, transition: 'unchanged', hasTraffic: true } as const;
const failed = { ...passed, hasPassed: false } as const;

const rows = [
  { name: 'well', config: all, when: passed, thenMs: 10_000 },
  { name: 'just-turned-well', config: all, when: { ...passed, transition: 'changed' }, thenMs: 10_000 },
  { name: 'passes-and-not-often-enough-yet', config: all, when: { ...passed, transition: 'pending' }, thenMs: 2000 },
  { name: 'not-well', config: all, when: failed, thenMs: 4000 },
  { name: 'just-taken-out', config: all, when: { ...failed, transition: 'changed' }, thenMs: 4000 },
  { name: 'fails-and-not-often-enough-yet', config: all, when: { ...failed, transition: 'pending' }, thenMs: 3000 },
  { name: 'edge-defaults-to-interval', config: plain, when: { ...passed, transition: 'pending' }, thenMs: 10_000 },
  { name: 'unhealthy-defaults-to-interval', config: plain, when: failed, thenMs: 10_000 },
  {
    name: 'unhealthy-edge-defaults-to-unhealthy',
    config: { ...plain, unhealthyIntervalMs: 4000 },
    when: { ...failed, transition: 'pending' },
    thenMs: 4000,
  },
  { name: 'no-traffic-defaults-to-a-minute', config: plain, when: { ...passed, hasTraffic: false }, thenMs: 60_000 },
  { name: 'no-traffic-and-not-well', config: all, when: { ...failed, hasTraffic: false }, thenMs: 20_000 },
  { name: 'no-traffic-and-well', config: all, when: { ...passed, hasTraffic: false }, thenMs: 30_000 },
  {
    name: 'no-traffic-goes-before-edges',
    config: all,
    when: { ...passed, transition: 'pending', hasTraffic: false },
    thenMs: 20_000,
  },
  // random() = 0.5: half of 10 % of 10 000, and half of 1000.
  { name: 'both-jitters-add-up', config: { ...plain, jitterPercent: 10, jitterMs: 1000 }, when: passed, thenMs: 11_000 },
  { name: 'never-below-a-millisecond', config: { ...plain, intervalMs: 0.001 }, when: passed, thenMs: 1 },
] as const;

describe('the wait for the next check', () => {
  for (const { name, config, when, thenMs } of rows) {
    it(name, () => assert.equal(Math.round(nextCheckMs(config, when, () => 0.5)), thenMs));
  }
});
