/**
 * The last results: `results.jsonl` has one report a line, with its samples and with where and when it was measured; README.md shows
 * the same as tables. A run replaces the reports of what it measured and leaves the others, since on a busy machine one is measured
 * when it is calm.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from './benchmark.ts';
import { markdownTable } from './format.ts';
import type { Machine } from './machine.ts';
import { judge, type Verdict } from './targets.ts';

/** A report, and what it was measured on. */
export interface Result extends Report {
  readonly effort: string;
  readonly machine: Machine;
  /** Runnable processes of the last minute when it was done. */
  readonly loadAfter: number;
}

const resultsPath = join(import.meta.dirname, 'results.jsonl');
const readmePath = join(import.meta.dirname, 'README.md');
const begin = '<!-- results: written by `npm run bench -- --write` -->';
const end = '<!-- end of results -->';

/** Keeps results, those of other benchmarks beside them, and shows them all in the README. Order: that of `names`. */
export async function keepResults(fresh: readonly Result[], names: readonly string[]): Promise<void> {
  const byName = new Map((await readResults()).map((result) => [result.name, result]));
  for (const result of fresh) byName.set(result.name, result);
  const results = names.map((name) => byName.get(name)).filter((result) => result !== undefined);
  await writeFile(resultsPath, results.map((result) => `${JSON.stringify(result)}\n`).join(''));
  const text = await readFile(readmePath, 'utf8');
  await writeFile(readmePath, withResults(text, results));
}

async function readResults(): Promise<Result[]> {
  const text = await readFile(resultsPath, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);
}

/** `text` with the results between its markers. Throws when it has none. */
export function withResults(text: string, results: readonly Result[]): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`the page has no lines "${begin}" and "${end}" to write between`);
  return `${text.slice(0, from + begin.length)}\n\n${resultsText(results)}\n${text.slice(to)}`;
}

function resultsText(results: readonly Result[]): string {
  const verdicts = judge(results.flatMap(({ figures }) => figures));
  const parts = results.map(
    (result) =>
      `### ${result.title}\n\n\`${result.name}\`, ${whereText(result)}\n\n${markdownTable(result.head, result.lines)}\n\n${tablesText(result)}${result.notes.join(' ')}\n`,
  );
  return `### Targets\n\n${verdictsText(verdicts)}\n\n${parts.join('\n')}`;
}

function tablesText({ tables = [] }: Result): string {
  return tables.map(({ title, head, lines }) => `${title}:\n\n${markdownTable(head, lines)}\n\n`).join('');
}

function verdictsText(verdicts: readonly Verdict[]): string {
  return markdownTable(
    ['target', 'found', 'result'],
    verdicts.map(({ target, found, result, isGate }) => [`${target}${isGate ? ' (gate)' : ''}`, found, `**${result}**`]),
  );
}

function whereText({ machine, effort, loadAfter }: Result): string {
  const { cpu, cpus, memoryGiB, platform, node, undici, commit, date, loadBefore } = machine;
  return (
    `${date} UTC, commit ${commit}, \`--${effort}\`, Node ${node}, undici ${undici}, ${platform}, ${cpus} × ${cpu}, ${memoryGiB} GiB, ` +
    `load average before ${loadBefore.toFixed(1)} and after ${loadAfter.toFixed(1)}.`
  );
}
