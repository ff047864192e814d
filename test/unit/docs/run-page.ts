/**
 * Runs a page as its reader does, block by block in order:
 *
 *   a block below `<!-- docs/examples/… as mesh.yaml -->`   is written to that file of the project
 *   a `sh` block                                            is typed into the terminal (`<!-- terminal 2 -->`: into that one)
 *   a `text` block                                          is waited for in that terminal, after what was waited for before
 *   `<!-- ctrl-c -->` above a `text` block                  interrupts the program there first
 *   `<!-- not run: why -->`                                 is left to the reader
 *
 * Lines are compared without their numbers (a zero stays a zero, so that "0 lost" means it), and a line `…` stands for any.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf, readText, type Block } from './markdown.ts';
import { createProject, Terminal } from './terminal.ts';

export interface PageRun {
  readonly directory: string;
  /** Everything that was typed. */
  readonly typed: readonly string[];
  /** What each `text` block was found in. */
  readonly outputs: readonly string[];
}

export interface PageOptions {
  /** Ports as the page names them, and those that are free. */
  readonly ports?: ReadonlyMap<string, number>;
  /** Words that stand for each other, since which one comes is a matter of timing. */
  readonly sameWords?: readonly (readonly [RegExp, string])[];
}

/** Runs a page in a new project. Rejects at the first line that does not come. */
export async function runPage(path: string, options: PageOptions = {}): Promise<PageRun> {
  const directory = createProject();
  const terminals = new Map<string, Terminal>();
  const typed: string[] = [];
  const outputs: string[] = [];
  let current = '1';

  const withPorts = (text: string): string => {
    let changed = text;
    for (const [port, free] of options.ports ?? []) changed = changed.replaceAll(new RegExp(`\\b${port}\\b`, 'g'), String(free));
    return changed;
  };
  const plain = (line: string): string => {
    let changed = withoutNumbers(line);
    for (const [word, other] of options.sameWords ?? []) changed = changed.replace(word, other);
    return changed;
  };
  const terminal = (): Terminal => {
    let open = terminals.get(current);
    if (open === undefined) terminals.set(current, (open = new Terminal(directory)));
    return open;
  };

  for (const block of blocksOf(readText(path))) {
    const note = block.note ?? '';
    const file = fileOf(block);
    const number = /\bterminal (\d)/.exec(note)?.[1];
    if (number !== undefined) current = number;
    else if (block.language === 'sh') current = '1';
    if (note.startsWith('not run')) continue;
    if (file?.as !== undefined) writeFileSync(join(directory, file.as), withPorts(block.text));
    else if (block.language === 'sh') {
      typed.push(block.text);
      terminal().type(withPorts(block.text));
    } else if (block.language === 'text') {
      if (note.includes('ctrl-c')) terminal().interrupt();
      let end = 0;
      for (const line of block.text.trimEnd().split('\n')) {
        if (line.trim() === '…') continue;
        const wanted = plain(line);
        const found = await terminal().waitFor(`"${line}" (${path}, line ${block.line})`, (output) =>
          endOfLine(output, (shown) => plain(shown) === wanted),
        );
        end = Math.max(end, found);
      }
      outputs.push(terminal().output);
      // What was shown once does not stand for what should come next.
      terminal().forget(end);
    }
  }
  return { directory, typed, outputs };
}

/** Where the first line ends that is as wanted; undefined when none is there, whole. */
function endOfLine(output: string, isWanted: (line: string) => boolean): number | undefined {
  let start = 0;
  for (let end = output.indexOf('\n'); end !== -1; end = output.indexOf('\n', start)) {
    if (isWanted(output.slice(start, end))) return end + 1;
    start = end + 1;
  }
  return undefined;
}

/** The example that a block is cut from, and the name that the page gives it. */
export function fileOf({ note }: Block): { readonly path: string; readonly region?: string; readonly as?: string } | undefined {
  const match = /^(docs\/examples\/[\w./-]+)(?:#([\w-]+))?(?: as ([\w.-]+))?$/.exec(note ?? '');
  if (match === null) return undefined;
  const [, path = '', region, as] = match;
  return { path, ...(region === undefined ? {} : { region }), ...(as === undefined ? {} : { as }) };
}

/** A line whose numbers, times and versions are `#`; zero stays. */
export function withoutNumbers(line: string): string {
  return line
    .trimEnd()
    .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| UTC)/g, '#')
    .replaceAll(/\b(?=[a-f]*\d)[0-9a-f]{12}\b/g, '#')
    .replaceAll(/\d+(?:\.\d+)?/g, (number) => (Number(number) === 0 ? '0' : '#'));
}
