import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createStatusBoard } from '../../../src/control-plane/watch-status.ts';
import type { ControlPlaneStatus } from '../../../src/model/contracts.ts';

const rows: readonly { name: string; watches: readonly ControlPlaneStatus[]; merged: ControlPlaneStatus }[] = [
  { name: 'one-connecting', watches: [{ state: 'connecting' }], merged: { state: 'connecting' } },
  { name: 'one-of-two-connected', watches: [{ state: 'connecting' }, { state: 'connected' }], merged: { state: 'connected' } },
  {
    name: 'one-of-two-refused',
    watches: [{ state: 'connected' }, { state: 'disconnected', error: 'a 403' }],
    merged: { state: 'connected', error: 'a 403' },
  },
  {
    name: 'all-down-with-the-same-error',
    watches: [
      { state: 'disconnected', error: 'refused' },
      { state: 'disconnected', error: 'refused' },
    ],
    merged: { state: 'disconnected', error: 'refused' },
  },
  {
    name: 'many-errors-are-counted',
    watches: ['a', 'b', 'c', 'd', 'e'].map((error) => ({ state: 'disconnected', error })),
    merged: { state: 'disconnected', error: 'a; b; c; and 2 more' },
  },
];

describe('createStatusBoard', () => {
  for (const { name, watches, merged } of rows) {
    it(`merges the states of watches (${name})`, () => {
      const reports: ControlPlaneStatus[] = [];
      const board = createStatusBoard((status) => reports.push(status));
      watches.forEach((status, index) => board.set(`watch ${index}`, status));
      assert.deepEqual(reports.at(-1), merged);
    });
  }

  it('reports nothing when the merged status stays the same', () => {
    const reports: ControlPlaneStatus[] = [];
    const board = createStatusBoard((status) => reports.push(status));
    board.set('a', { state: 'connected' });
    board.set('b', { state: 'connecting' });
    board.set('b', { state: 'connected' });
    assert.equal(reports.length, 1);
  });

  it('forgets the trouble of a watch that is over, and keeps the last word when none is left', () => {
    const reports: ControlPlaneStatus[] = [];
    const board = createStatusBoard((status) => reports.push(status));
    board.set('a', { state: 'connected' });
    board.set('b', { state: 'disconnected', error: 'no' });
    board.delete('b');
    board.delete('a');
    assert.deepEqual(reports, [{ state: 'connected' }, { state: 'connected', error: 'no' }, { state: 'connected' }]);
  });
});
