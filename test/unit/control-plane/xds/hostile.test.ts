/** Whatever somebody puts in place of any value: it is reported, and never thrown. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { translateResources } from '../../../../src/control-plane/xds/translate/resources.ts';
import { compileEnvoy } from '../../../../src/testing/index.ts';
import { parseResources } from '../../../../src/control-plane/xds/parse-resources.ts';

const folder = new URL('../../../golden/xds/', import.meta.url);
const resources = readdirSync(folder)
  .filter((file) => file.endsWith('.in.yaml'))
  .flatMap((file) => parseResources(readFileSync(new URL(file, folder), 'utf8')));

const hostile: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  0.5,
  '',
  '\u0000\r\n',
  '__proto__',
  '%',
  '((((((a{1000}){1000}){1000})))',
  'a'.repeat(5000),
  [],
  [[]],
  {},
  { value: {} },
  { seconds: {} },
  JSON.parse('{"__proto__":{"name":1}}'),
];

/** A copy in which each value is now and then replaced by a hostile one. */
function spoiled(value: unknown, random: () => number, share: number): unknown {
  if (random() < share) return hostile[Math.floor(random() * hostile.length)];
  if (Array.isArray(value)) return value.map((item: unknown) => spoiled(item, random, share));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, spoiled(item, random, share)]));
}

describe('resources that somebody spoiled', () => {
  it('are translated or refused, and never break the translation', () => {
    const random = seededRandom(4);
    let refused = 0;
    for (let round = 0; round < 200; round++) {
      const { problems, unhonoured } = translateResources(resources.map((each) => spoiled(each, random, 0.05)));
      if (problems.length > 0) refused++;
      for (const { reason, key } of [...problems, ...unhonoured]) {
        assert.equal(typeof reason, 'string');
        assert.equal(typeof key.name, 'string');
      }
    }
    assert.ok(refused > 150, `${refused} of 200 rounds had a problem`);
  });

  it('are a TypeError for policy tests', () => {
    const random = seededRandom(5);
    let refused = 0;
    for (let round = 0; round < 100; round++) {
      for (const each of resources) {
        try {
          compileEnvoy(spoiled(each, random, 0.02) as object);
        } catch (error) {
          if (!(error instanceof TypeError) || !error.message.includes('cannot be used')) {
            // A value in place of the whole resource is refused before it is read.
            assert.match(String(error), /^TypeError: (resources of Envoy are|the text is)/);
          }
          refused++;
        }
      }
    }
    assert.ok(refused > 100, `${refused} were refused`);
  });
});
