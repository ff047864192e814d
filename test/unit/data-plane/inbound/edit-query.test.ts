import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editQuery } from '../../../../src/data-plane/inbound/edit-query.ts';

type Pairs = readonly (readonly [name: string, value: string])[];

const rows: readonly { name: string; path: string; remove?: readonly string[]; set?: Pairs; expected: string }[] = [
  { name: 'first-parameter', path: '/a', set: [['x', '1']], expected: '/a?x=1' },
  { name: 'further-parameter', path: '/a?b=2', set: [['x', '1']], expected: '/a?b=2&x=1' },
  { name: 'replaced-wherever-it-stands', path: '/a?x=0&b=2&x=9', set: [['x', '1']], expected: '/a?b=2&x=1' },
  { name: 'removed-every-time', path: '/a?x=0&b=2&x', remove: ['x'], expected: '/a?b=2' },
  { name: 'removed-the-last', path: '/a?x=0', remove: ['x'], expected: '/a' },
  { name: 'rest-as-it-is-written', path: '/a?b=%20+&c', remove: ['x'], expected: '/a?b=%20+&c' },
  { name: 'escaped-value', path: '/a', set: [['x y', 'a&b=c#d']], expected: '/a?x%20y=a%26b%3Dc%23d' },
];

describe('the query that an authorizer wants', () => {
  for (const { name, path, remove = [], set = [], expected } of rows)
    it(name, () => assert.equal(editQuery(path, remove, set), expected));
});
