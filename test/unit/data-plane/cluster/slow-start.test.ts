import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Host } from '../../../../src/data-plane/cluster/host.ts';
import { beginSlowStart, effectiveWeight, shareOf, SlowStart } from '../../../../src/data-plane/cluster/slow-start.ts';
import type { SlowStartConfig } from '../../../../src/model/health.ts';

const rows: readonly { name: string; config: SlowStartConfig; atMs: number; factor: number }[] = [
  { name: 'begins-with-the-minimum', config: { windowMs: 60_000 }, atMs: 0, factor: 0.1 },
  { name: 'grows-with-time', config: { windowMs: 60_000 }, atMs: 30_000, factor: 0.5 },
  { name: 'is-whole-at-the-end', config: { windowMs: 60_000 }, atMs: 60_000, factor: 1 },
  { name: 'has-its-own-minimum', config: { windowMs: 60_000, minWeightPercent: 40 }, atMs: 6000, factor: 0.4 },
  { name: 'rises-fast-at-first-with-aggression', config: { windowMs: 60_000, aggression: 2 }, atMs: 15_000, factor: 0.5 },
  { name: 'rises-late-with-little-aggression', config: { windowMs: 60_000, aggression: 0.5 }, atMs: 30_000, factor: 0.25 },
  { name: 'takes-a-millisecond-for-the-least', config: { windowMs: 100, minWeightPercent: 0 }, atMs: 0, factor: 0.01 },
  { name: 'knows-no-window-of-0', config: { windowMs: 0 }, atMs: 0, factor: 1 },
  { name: 'takes-bad-aggression-for-1', config: { windowMs: 100, aggression: Number.NaN }, atMs: 50, factor: 0.5 },
  { name: 'takes-negative-aggression-for-1', config: { windowMs: 100, aggression: -3 }, atMs: 50, factor: 0.5 },
  { name: 'never-exceeds-a-whole-share', config: { windowMs: 100, minWeightPercent: 900 }, atMs: 5, factor: 1 },
];

function host(): Host {
  return new Host('k', { address: '192.0.2.1', port: 80, weight: 4 }, undefined, {});
}

describe('SlowStart', () => {
  for (const { name, config, atMs, factor } of rows) it(name, () => assert.equal(new SlowStart(config).factor(atMs), factor));
});

describe('the share of a host', () => {
  it('is whole, and costs nothing, when slow start is over', () => {
    const one = host();
    beginSlowStart(one, new SlowStart({ windowMs: 100 }), 1000);
    assert.equal(shareOf(one, 1050), 0.5);
    assert.equal(one.isReduced, true);
    assert.equal(shareOf(one, 1100), 1);
    assert.equal(one.isReduced, false);
  });

  it('is slow start times trust', () => {
    const one = host();
    one.isReduced = true;
    one.trustRatio = 0.5;
    beginSlowStart(one, new SlowStart({ windowMs: 100 }), 0);
    assert.equal(shareOf(one, 50), 0.25);
    assert.equal(shareOf(one, 200), 0.5);
    assert.equal(one.isReduced, true, 'it is still suspected');
    one.trustRatio = 1;
    shareOf(one, 200);
    assert.equal(one.isReduced, false);
  });

  it('makes its effective weight, which is 0 while it is out', () => {
    const one = host();
    assert.equal(effectiveWeight(one, 0), 4);
    beginSlowStart(one, new SlowStart({ windowMs: 100 }), 0);
    assert.equal(effectiveWeight(one, 25), 1);
    one.openedBy = 'outlier';
    assert.equal(effectiveWeight(one, 25), 0);
  });
});
