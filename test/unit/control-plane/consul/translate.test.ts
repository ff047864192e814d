import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { translateInstances } from '../../../../src/control-plane/consul/translate.ts';
import { entry } from './fake-consul.ts';

/** Values that somebody could put in place of any other. */
const hostile: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  0.5,
  '',
  '\u0000',
  '__proto__',
  'a'.repeat(5000),
  [],
  [[]],
  {},
  { Passing: {} },
  JSON.parse('{"__proto__":{"Port":1}}'),
];

/** A copy in which each value is now and then replaced by a hostile one. */
function spoil(value: unknown, random: () => number): unknown {
  if (random() < 0.15) return hostile[Math.floor(random() * hostile.length)];
  if (Array.isArray(value)) return value.map((item: unknown) => spoil(item, random));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, spoil(item, random)]));
}

describe('translateInstances', () => {
  it('makes usable endpoints or problems of whatever an answer holds', () => {
    const random = seededRandom(7);
    let usable = 0;
    let spoilt = 0;
    for (let round = 0; round < 3000; round++) {
      const body = [entry(8080, { tags: ['v1'] }), entry(8081, { status: 'warning' })].map((good) => spoil(good, random));
      const { registered, endpoints, problems } = translateInstances('orders', body, { onlyPassing: false });
      assert.equal(registered, 2);
      for (const { address, port, weight, metadata } of endpoints.localities.flatMap((locality) => locality.endpoints)) {
        assert.match(address, /^[\w.:%-]{1,253}$/);
        assert.ok(Number.isInteger(port) && port >= 1 && port <= 65_535);
        assert.ok(weight !== undefined && Number.isInteger(weight) && weight >= 1 && weight <= 65_535);
        assert.equal(Object.getPrototypeOf(metadata), Object.prototype);
        usable++;
      }
      spoilt += problems.length;
    }
    // Neither branch may be idle, or the test tests nothing.
    assert.ok(usable > 500 && spoilt > 500, `${usable} usable, ${spoilt} problems`);
  });

  it('takes nothing from a prototype', () => {
    const heir = Object.create({ Service: { ID: 'x', Address: '192.0.2.1', Port: 80 } }) as unknown;
    assert.deepEqual(translateInstances('orders', [heir], { onlyPassing: false }).endpoints.localities, []);
  });
});
