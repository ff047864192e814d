import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { markdownTable } from '../format.ts';
import { chartsOf } from './charts.ts';
import type { Evaluation } from './evaluation.ts';
import { seeds } from './protocol.ts';
import { tablesOf } from './report.ts';

const folder = join(import.meta.dirname, '../../docs/explanation');
const page = join(folder, 'how-detection-was-measured.md');
const begin = '<!-- results: written by benchmarks/detection/publish.ts -->';
const end = '<!-- end of results -->';

/** Writes the curves, and the tables of the page about them. */
export async function publish(evaluation: Evaluation): Promise<void> {
  for (const { file, svg } of chartsOf(evaluation)) await writeFile(join(folder, file), svg);
  const text = await readFile(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${page} has no lines "${begin}" and "${end}" to write between`);
  const tables = tablesOf(evaluation).map(({ title, head, lines }) => `### ${title}\n\n${markdownTable(head, lines)}\n`);
  const { faultRuns, cleanDays, meshRuns } = evaluation.volume;
  const extent = `Seeds from ${Object.values(seeds).join(', ')} on; ${faultRuns} runs of a fault (${meshRuns} through the mesh), ${cleanDays} endpoint-days without one.`;
  await writeFile(page, `${text.slice(0, from + begin.length)}\n\n${extent}\n\n${tables.join('\n')}\n${text.slice(to)}`);
}
