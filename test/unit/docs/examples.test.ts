import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { blocksOf, pagePaths, readText, root } from './markdown.ts';
import { fileOf } from './run-page.ts';

const run = promisify(execFile);

describe('the examples', () => {
  it('are all shown on a page, or named on one as a command', () => {
    const pages = pagePaths().map((path) => readText(path));
    const shown = new Set(pages.flatMap((page) => blocksOf(page).map((block) => fileOf(block)?.path)));
    const files = globSync('docs/examples/**/*.*', { cwd: root });
    assert.ok(files.length > 10);
    assert.deepEqual(
      files.filter((file) => !shown.has(file) && !pages.some((page) => page.includes(`\`node ${file}\``))),
      [],
    );
  });

  for (const [file, lines] of [
    ['async-layers.mjs', /^(?:\d+ layers: -?\d+ ns more\n){3}$/],
    [
      'breaker-fire.mjs',
      /^a success through fire: -?\d+ ns more than without\na failure after 100000 successes in the window: \d+ µs\n$/,
    ],
    ['load-times.mjs', /^(?:[@\w/-]+: \d+ ms\n){8}$/],
  ] as const) {
    it(`that measure run, and print what the pages say: ${file}`, async () => {
      const { stdout } = await run(process.execPath, [join(root, 'docs/examples/measure', file)], { cwd: root });
      assert.match(stdout, lines);
    });
  }
});
