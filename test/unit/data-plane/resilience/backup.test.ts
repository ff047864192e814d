import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { BackupRequests, ClusterBackups } from '../../../../src/data-plane/resilience/backup.ts';

/** Backups that go out for these latencies, a request every 10 ms, each with a backup when it takes longer than told. */
function sent(backups: BackupRequests, latencies: readonly number[], startMs = 0): number {
  let count = 0;
  for (const [index, latency] of latencies.entries()) {
    const now = startMs + index * 10;
    const delayMs = backups.onRequest(now);
    if (delayMs !== undefined && latency > delayMs && backups.trySend()) count++;
    backups.record(latency, now);
  }
  return count;
}

describe('BackupRequests', () => {
  it('sends none before it knows how long requests take', () => {
    assert.equal(new BackupRequests({ maxExtraLoadPercent: 1 }).onRequest(0), undefined);
  });

  it('waits as long as all but the allowed share take', () => {
    const backups = new BackupRequests({ maxExtraLoadPercent: 10 });
    for (let index = 1; index <= 100; index++) backups.record(index, 0);
    const delayMs = backups.onRequest(3000)!;
    assert.ok(delayMs >= 90 && delayMs <= 90 * 1.04, String(delayMs));
    assert.equal(backups.delayMs(3000), delayMs);
  });

  it('never waits less than the minimum: 1 ms where none is said', () => {
    const quick = new BackupRequests({ maxExtraLoadPercent: 1 });
    const slow = new BackupRequests({ maxExtraLoadPercent: 1, minDelayMs: 50 });
    for (let index = 0; index < 100; index++) {
      quick.record(0.2, 0);
      slow.record(0.2, 0);
    }
    assert.deepEqual([quick.onRequest(3000), slow.onRequest(3000)], [1, 50]);
  });

  for (const maxExtraLoadPercent of [1, 5, 20]) {
    it(`adds at most ${maxExtraLoadPercent} % to the load, and about so much when latencies are steady`, () => {
      const random = seededRandom(5);
      const latencies = Array.from({ length: 20_000 }, () => 5 + 100 * random() ** 8);
      const share = sent(new BackupRequests({ maxExtraLoadPercent }), latencies) / latencies.length;
      assert.ok(share <= maxExtraLoadPercent / 100 && share > (maxExtraLoadPercent / 100) * 0.6, String(share));
    });
  }

  it('keeps to its share when everything becomes ten times slower at once', () => {
    const backups = new BackupRequests({ maxExtraLoadPercent: 5 });
    sent(
      backups,
      Array.from({ length: 1000 }, (_, index) => 5 + (index % 10)),
    );
    const slow = Array.from({ length: 1000 }, (_, index) => 50 + (index % 10));
    const share = sent(backups, slow, 10_000) / slow.length;
    assert.ok(share <= 0.05 + 10 / 1000, String(share)); // and the ten that were saved up
  });
});

describe('ClusterBackups', () => {
  it('keeps one state for policies that say the same, whichever object says it', () => {
    const backups = new ClusterBackups();
    const one = backups.of({ maxExtraLoadPercent: 1 });
    assert.equal(backups.of({ maxExtraLoadPercent: 1, minDelayMs: 1 }), one);
    assert.notEqual(backups.of({ maxExtraLoadPercent: 2 }), one);
  });
});
