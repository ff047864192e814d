import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { blocksOf, pagePaths, readText, root, type Block } from './markdown.ts';
import { fileOf } from './run-page.ts';
import { createProject } from './terminal.ts';

interface Import {
  readonly text: string;
  readonly names: readonly string[];
}

function importsOf(text: string): readonly Import[] {
  return [...text.matchAll(/^import (?:type )?(?:\{([^}]*)\}|(\w+)).*;$/gm)].map(([line, list, single]) => ({
    text: line,
    names: (list ?? single ?? '').split(',').map((name) => name.trim().replace(/^type /, '')),
  }));
}

/** Blocks that stand for themselves: they import what they use, themselves or in a block above them on the page. */
function wholeBlocks(path: string): readonly { readonly block: Block; readonly program: string }[] {
  const above: Import[] = [];
  const whole: { block: Block; program: string }[] = [];
  for (const block of blocksOf(readText(path))) {
    if (block.language !== 'ts' || fileOf(block) !== undefined) continue;
    const own = importsOf(block.text);
    if (own.length === 0) continue;
    const taken = new Set(own.flatMap(({ names }) => names));
    const earlier = above.filter(({ names }) => names.every((name) => !taken.has(name)));
    whole.push({ block, program: `${earlier.map(({ text }) => text).join('\n')}\n${block.text}` });
    for (const one of own) if (!above.some(({ text }) => text === one.text)) above.push(one);
  }
  return whole;
}

describe('the TypeScript of the documentation', () => {
  it('compiles in a strict project that has meshfetch installed', { timeout: 120_000 }, () => {
    const project = createProject();
    const places = new Map<string, string>();
    for (const path of pagePaths())
      for (const { block, program } of wholeBlocks(path)) {
        const file = `block-${places.size + 1}.ts`;
        places.set(file, `${path}, line ${block.line}`);
        writeFileSync(join(project, file), program);
      }
    assert.ok(places.size > 5, 'too few blocks for a test');
    writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }');
    const compilerOptions = {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
      customConditions: ['meshfetch-source'],
      allowImportingTsExtensions: true,
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['block-*.ts'] }));
    const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], {
      encoding: 'utf8',
    });
    const mistakes = stdout
      .split('\n')
      .filter((line) => line.includes('block-'))
      .map((line) => line.replace(/^.*(block-\d+\.ts)/, (_all, file: string) => places.get(file) ?? file));
    assert.deepEqual(mistakes, []);
  });
});
