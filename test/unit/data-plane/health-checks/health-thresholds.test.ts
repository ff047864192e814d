import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckVerdict } from '../../../../src/data-plane/health-checks/health-probe.ts';
import { HealthThresholds } from '../../../../src/data-plane/health-checks/health-thresholds.ts';

const verdicts: Readonly<Record<string, CheckVerdict>> = {
  pass: { kind: 'passed', isDegraded: false },
  less: { kind: 'passed', isDegraded: true },
  says: { kind: 'answer', reason: 'answered 503', onlyCounts: false },
  soft: { kind: 'answer', reason: 'answered 429', onlyCounts: true },
  gone: { kind: 'network', reason: 'refused' },
  late: { kind: 'timeout', reason: 'no answer' },
  none: { kind: 'unasked', reason: 'no certificate yet' },
};

/**
 * What each verdict leads to: `+` well, `-` not well, `d` degraded, `?` nothing known; then `!` = changed, `~` = pending. With
 * `healthyThreshold` 2 and `unhealthyThreshold` 3.
 */
const rows = [
  { name: 'first-pass-counts-at-once', when: 'pass pass', states: '+! +' },
  { name: 'first-failure-is-a-change-too', when: 'gone gone', states: '-! -' },
  { name: 'two-passes-bring-it-back', when: 'gone pass pass', states: '-! -~ +!' },
  { name: 'a-failure-starts-the-count-anew', when: 'gone pass gone pass pass', states: '-! -~ - -~ +!' },
  { name: 'three-broken-connections-take-it-out', when: 'pass gone gone gone', states: '+! +~ +~ -!' },
  { name: 'timeouts-count-like-broken-connections', when: 'pass late gone late', states: '+! +~ +~ -!' },
  { name: 'a-pass-starts-that-count-anew', when: 'pass gone gone pass gone gone gone', states: '+! +~ +~ + +~ +~ -!' },
  { name: 'an-answer-takes-it-out-at-once', when: 'pass says', states: '+! -!' },
  { name: 'an-answer-takes-it-out-in-the-middle-of-a-count', when: 'pass gone says', states: '+! +~ -!' },
  { name: 'an-answer-that-only-counts-is-counted', when: 'pass soft soft soft', states: '+! +~ +~ -!' },
  { name: 'degraded-from-the-first', when: 'less less', states: 'd! d' },
  { name: 'degraded-and-back-is-a-change', when: 'pass less pass', states: '+! d! +!' },
  { name: 'degraded-when-it-comes-back', when: 'gone less less', states: '-! -~ d!' },
  { name: 'not-asked-says-nothing', when: 'none pass gone none gone gone', states: '? +! +~ + +~ -!' },
];

describe('the thresholds of a check', () => {
  for (const { name, when, states } of rows) {
    it(name, () => {
      const thresholds = new HealthThresholds({
        kind: 'http',
        timeoutMs: 1,
        intervalMs: 1,
        healthyThreshold: 2,
        unhealthyThreshold: 3,
      });
      const seen = when.split(' ').map((word) => {
        const transition = thresholds.apply(verdicts[word]!);
        const { isPending, isHealthy, isDegraded } = thresholds;
        const state = isPending ? '?' : !isHealthy ? '-' : isDegraded ? 'd' : '+';
        return `${state}${{ changed: '!', pending: '~', unchanged: '' }[transition]}`;
      });
      assert.equal(seen.join(' '), states);
    });
  }
});
