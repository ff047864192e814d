import { readFile, writeFile } from 'node:fs/promises';
import type { Report } from './benchmark.ts';
import { markdownTable } from './format.ts';
import type { Machine } from './machine.ts';
import type { Verdict } from './targets.ts';

/** All that a run found. */
export interface Results {
  readonly machine: Machine;
  readonly effort: string;
  /** Runnable processes of the last minute at the end of the run. */
  readonly loadAfter: number;
  readonly reports: readonly Report[];
  readonly verdicts: readonly Verdict[];
}

const begin = '<!-- results: written by `npm run bench -- --write` -->';
const end = '<!-- end of results -->';

/** Puts the results between the markers of a Markdown file. Throws when it has none. */
export async function writeResults(path: string, results: Results): Promise<void> {
  const text = await readFile(path, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${path} has no lines "${begin}" and "${end}" to write between`);
  await writeFile(path, `${text.slice(0, from + begin.length)}\n\n${resultsText(results)}\n${text.slice(to)}`);
}

/** The results as Markdown. */
export function resultsText({ machine, effort, loadAfter, reports, verdicts }: Results): string {
  const { cpu, cpus, memoryGiB, platform, node, undici, commit, date, loadBefore } = machine;
  const where =
    `${date} UTC, commit ${commit}, \`--${effort}\`, Node ${node}, undici ${undici}, ${platform}, ${cpus} × ${cpu}, ${memoryGiB} GiB. ` +
    `Load average before ${loadBefore.toFixed(1)}, after ${loadAfter.toFixed(1)}.`;
  const parts = reports.map(
    ({ title, head, lines, notes }) => `### ${title}\n\n${markdownTable(head, lines)}\n\n${notes.join(' ')}\n`,
  );
  const judged = markdownTable(
    ['target', 'found', 'result'],
    verdicts.map(({ target, found, result, isGate }) => [`${target}${isGate ? ' (gate)' : ''}`, found, `**${result}**`]),
  );
  return `${where}\n\n### Targets\n\n${judged}\n\n${parts.join('\n')}`;
}
