import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { typeUrls, type AdsResponse } from '../../../../../src/control-plane/xds/client/contract.ts';
import { takeResponse } from '../../../../../src/control-plane/xds/client/take-response.ts';

interface Row {
  readonly name: string;
  readonly wanted: readonly string[];
  readonly before?: readonly string[];
  readonly resources?: readonly string[];
  readonly removed?: readonly string[];
  readonly isWhole?: boolean;
  readonly refused?: readonly string[];
  readonly broken?: readonly string[];
  readonly left?: readonly string[];
  readonly inForce: readonly string[];
  readonly absent?: readonly string[];
  readonly unknown?: readonly string[];
}

const rows: readonly Row[] = [
  { name: 'brought', wanted: ['a', 'b'], resources: ['a'], inForce: ['a'] },
  { name: 'brought-by-wildcard', wanted: ['*'], resources: ['a'], inForce: ['a'] },
  { name: 'unsubscribed-meanwhile', wanted: ['b'], resources: ['a', 'b'], inForce: ['b'] },
  { name: 'refused', wanted: ['a', 'b'], resources: ['a', 'b'], refused: ['a'], inForce: ['b'] },
  {
    name: 'refused-with-a-last-good-one',
    wanted: ['*'],
    before: ['a'],
    resources: ['a'],
    refused: ['a'],
    isWhole: true,
    inForce: ['a'],
  },
  { name: 'left-out-of-a-whole', wanted: ['*'], before: ['a', 'b'], resources: ['a'], isWhole: true, inForce: ['a'] },
  {
    name: 'left-out-of-a-whole-by-name',
    wanted: ['a', 'b'],
    before: ['a', 'b'],
    resources: ['a'],
    isWhole: true,
    inForce: ['a'],
    absent: ['b'],
  },
  { name: 'unreadable-in-a-whole', wanted: ['*'], before: ['a', 'b'], broken: [''], isWhole: true, inForce: ['a', 'b'] },
  {
    name: 'unreadable-in-a-whole-beside-good-ones',
    wanted: ['a', 'b'],
    before: ['a', 'b'],
    resources: ['a'],
    broken: [''],
    isWhole: true,
    inForce: ['a', 'b'],
  },
  { name: 'broken-in-a-whole', wanted: ['*'], before: ['a', 'b'], broken: ['a'], isWhole: true, inForce: ['a'] },
  { name: 'twice-in-one-response', wanted: ['*'], resources: ['a'], broken: ['a'], inForce: ['a'] },
  { name: 'left-since-the-check-began', wanted: ['a', 'b'], resources: ['a', 'b'], left: ['a'], inForce: ['b'] },
  { name: 'left-out-of-a-part', wanted: ['a', 'b'], before: ['a', 'b'], resources: ['a'], inForce: ['a', 'b'] },
  // It may be on its way: its time has not run out.
  { name: 'newly-asked-and-left-out', wanted: ['a', 'b'], before: ['a'], resources: ['a'], isWhole: true, inForce: ['a'] },
  { name: 'removed', wanted: ['a', 'b'], before: ['a', 'b'], removed: ['b'], inForce: ['a'], absent: ['b'] },
  { name: 'removed-under-a-wildcard', wanted: ['*'], before: ['a'], removed: ['a'], inForce: [] },
  { name: 'removed-and-never-there', wanted: ['a'], removed: ['a'], inForce: [], absent: ['a'], unknown: ['a'] },
];

describe('a subscription after a response', () => {
  for (const row of rows)
    it(`knows what is in force, what is not there, and what never was: ${row.name}`, () => {
      const subscription = {
        wanted: new Set(row.wanted),
        inForce: new Set(row.before),
        restored: new Set<string>(),
        absent: new Set<string>(),
        hasAnswer: false,
      };
      const response: AdsResponse = {
        typeUrl: typeUrls.cluster,
        version: '1',
        isWhole: row.isWhole ?? false,
        resources: (row.resources ?? []).map((name) => ({ name, version: '1', bytes: new Uint8Array() })),
        removed: row.removed ?? [],
        broken: (row.broken ?? []).map((name) => ({ name, reason: 'bad' })),
      };
      const { accepted, unknown } = takeResponse(
        subscription,
        response,
        (row.refused ?? []).map((name) => ({ name, reason: 'bad' })),
        new Set(row.left),
      );
      assert.deepEqual([...subscription.inForce], row.inForce);
      assert.deepEqual([...subscription.absent], row.absent ?? []);
      assert.deepEqual(unknown, row.unknown ?? []);
      assert.deepEqual(
        accepted.map(({ name }) => name),
        (row.resources ?? []).filter((name) => !row.refused?.includes(name) && !row.left?.includes(name)),
      );
      assert.equal(subscription.hasAnswer, true);
    });
});
