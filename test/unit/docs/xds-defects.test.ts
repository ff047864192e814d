import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readText, root } from './markdown.ts';

const page = readText('docs/explanation/what-xds-clients-get-wrong.md');

/** Rows of the table: `| **D1** | what was wrong | what holds here | tests |`. */
const rows = page
  .split('\n')
  .filter((line) => /^\| \*\*D\d+\*\*/.test(line))
  .map((line) => {
    const [, number = '', , , tests = ''] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    return { name: number.replaceAll('*', ''), tests: [...tests.matchAll(/`((?:test|benchmarks)\/[^`]+)`(?:: “([^”]+)”)?/g)] };
  });

describe('what xDS clients get wrong', () => {
  it('has fourteen defects, each with a number of its own', () => {
    assert.deepEqual(
      rows.map(({ name }) => name),
      Array.from({ length: 14 }, (_, index) => `D${index + 1}`),
    );
  });

  for (const { name, tests } of rows)
    it(`names tests that exist: ${name}`, () => {
      assert.ok(tests.length > 0, 'no test');
      for (const [, file = '', title] of tests) {
        assert.ok(existsSync(join(root, file)), `there is no ${file}`);
        if (file.startsWith('benchmarks/')) continue;
        assert.ok(title !== undefined, `${file}: which test of it?`);
        const text = readText(file);
        // Titles of tables end with what the row is called.
        const titles = [`it('${title}'`, `it(\`${title}\``, `it(\`${title}: \${`, `it(\`${title} \${`];
        assert.ok(
          titles.some((each) => text.includes(each)),
          `${file} has no test “${title}”`,
        );
      }
    });
});
