import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toldOnce } from '../../../../../src/control-plane/xds/source/told-once.ts';
import type { Problem } from '../../../../../src/model/contracts.ts';

const problem = (kind: 'listener' | 'cluster', name: string, path: string, reason = 'is not carried out'): Problem => ({
  key: { kind, name },
  path,
  reason,
});

describe('what many resources have in common', () => {
  it('is told once, with the number of the others', () => {
    const told = toldOnce([
      problem('listener', 'a', 'tracing'),
      problem('listener', 'b', 'tracing'),
      problem('listener', 'c', 'tracing'),
    ]);
    assert.deepEqual(told, [problem('listener', 'a', 'tracing', 'is not carried out (here and at 2 others)')]);
  });

  it('is told apart where the kind, the place or the reason is another', () => {
    const all = [
      problem('listener', 'a', 'tracing'),
      problem('cluster', 'a', 'tracing'),
      problem('listener', 'a', 'access_log'),
      problem('listener', 'b', 'tracing', 'is unknown'),
    ];
    assert.deepEqual(toldOnce(all), all);
  });
});
