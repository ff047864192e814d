import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { parseMeshFile } from '../../../src/control-plane/file/index.ts';
import { anchorsOf, blocksOf, linksOf, pagePaths, proseOf, readText, root } from './markdown.ts';
import { writtenPage } from './write-pages.ts';

/** What belongs to how the pages came about, and not to what they are about. */
const foreignWords = [
  /\bsub-?agents?\b/i,
  /\bhelpers?\b/i,
  /\b(?:this|my|our|next|previous) session\b/i,
  /\bClaude\b|\bChatGPT\b|\bCopilot\b/i,
  /(?:^|[\s`(])\/(?:work|root|home|Users)\//m,
  /\.\.\/shared\b|\/shared\//,
  /\bissue [0-9]+\b/i,
  /\bTODO\b|\bFIXME\b|\bXXX\b/,
];

const { scripts } = JSON.parse(readText('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
const benchmarks = execFileSync(process.execPath, [join(root, 'benchmarks/run.ts'), '--list'], { encoding: 'utf8' }).split('\n');

describe('the pages of the documentation', () => {
  for (const path of pagePaths()) {
    const page = readText(path);

    it(`have links that lead somewhere: ${path}`, () => {
      const broken: string[] = [];
      for (const target of linksOf(page)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [file = '', anchor] = target.split('#', 2);
        const linked = file === '' ? path : normalize(join(dirname(path), file));
        if (!existsSync(join(root, linked))) broken.push(`${target}: there is no ${linked}`);
        else if (anchor !== undefined && !anchorsOf(readText(linked)).has(anchor))
          broken.push(`${target}: ${linked} has no such heading`);
      }
      assert.deepEqual(broken, []);
    });

    it(`have no word of how they came about: ${path}`, () => {
      for (const word of foreignWords) assert.doesNotMatch(page, word);
    });

    it(`have examples and tables as they are in the code (else run node test/unit/docs/write-pages.ts): ${path}`, async () => {
      assert.equal(page, await writtenPage(page));
    });

    it(`name files, scripts and benchmarks that exist: ${path}`, () => {
      const prose = proseOf(page);
      const missing: string[] = [];
      for (const [, file = ''] of prose.matchAll(/[`\s]((?:src|test|docs|benchmarks|schema)\/[\w./-]*\w)[`\s]/g))
        if (!existsSync(join(root, file))) missing.push(file);
      for (const [, script = ''] of prose.matchAll(/`npm run ([\w:-]+)/g))
        if (!Object.hasOwn(scripts, script)) missing.push(script);
      for (const [, names = ''] of prose.matchAll(/`npm run bench -- ([a-z -]+)`/g))
        for (const name of names.split(' ')) if (!benchmarks.includes(name)) missing.push(`benchmark ${name}`);
      assert.deepEqual(missing, []);
    });

    for (const { language, text, line } of blocksOf(page)) {
      if (language === 'yaml' && /^(?:services|defaults|identity|unknownHosts):/m.test(text))
        it(`have a mesh.yaml that is good: ${path}, line ${line}`, async () => {
          await parseMeshFile(text, path);
        });
      if (language === 'json')
        it(`have JSON that is JSON: ${path}, line ${line}`, () => {
          JSON.parse(text);
        });
    }
  }
});
