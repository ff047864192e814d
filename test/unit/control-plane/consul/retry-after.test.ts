import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MeshError } from '../../../../src/base/errors.ts';
import { retryAfterOf } from '../../../../src/control-plane/consul/retry-after.ts';

const nowMs = Date.UTC(2026, 0, 1);
const rows = [
  { name: 'seconds', value: '7', waitMs: 7000 },
  { name: 'date', value: new Date(nowMs + 9000).toUTCString(), waitMs: 9000 },
  { name: 'date-in-the-past', value: new Date(nowMs - 9000).toUTCString(), waitMs: 0 },
  { name: 'at-most-five-minutes', value: '86400', waitMs: 300_000 },
  { name: 'nonsense', value: 'soon', waitMs: undefined },
];

describe('retryAfterOf', () => {
  for (const { name, value, waitMs } of rows) {
    it(`reads the wait that a refusal asks for (${name})`, () => {
      assert.equal(retryAfterOf(new MeshError('MESH_CONTROL_PLANE', 'x', { details: { retryAfter: value } }), nowMs), waitMs);
    });
  }
  it('asks for no wait when the error is of another kind', () => {
    assert.equal(retryAfterOf(new Error('socket'), nowMs), undefined);
    assert.equal(retryAfterOf(undefined, nowMs), undefined);
  });
});
