/** What the tests of the documentation read of a Markdown page: fenced blocks, tables, headings, links. */
import { globSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../../..');

/** The text of a file, by its path from the root of the repository. */
export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** README and every page under docs/, by their paths from the root. */
export function pagePaths(): readonly string[] {
  const pages = globSync('docs/**/*.md', { cwd: root }).map((path) => relative(root, join(root, path)));
  return ['README.md', ...pages.sort()];
}

/** A fenced block. The comment on the line above it says what it is: a file, a terminal, or nothing. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** `<!-- note -->` right above the fence. */
  readonly note: string | undefined;
  /** From 1. */
  readonly line: number;
}

/** All fenced blocks of a page, in order, without the indentation of a list that they stand in. */
export function blocksOf(markdown: string): readonly Block[] {
  const lines = markdown.split('\n');
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index++) {
    const opening = /^( *)```([a-z]*)/.exec(lines[index]!);
    if (opening === null) continue;
    const [, indent = '', language = ''] = opening;
    const line = index + 1;
    const note = /^ *<!-- (.+) -->$/.exec(lines[index - 1] ?? '')?.[1];
    const body: string[] = [];
    for (index++; index < lines.length && lines[index] !== `${indent}\`\`\``; index++)
      body.push(lines[index]!.startsWith(indent) ? lines[index]!.slice(indent.length) : lines[index]!);
    blocks.push({ language, text: `${body.join('\n')}\n`, note, line });
  }
  return blocks;
}

/** The page without its fenced blocks, so that nothing in them is taken for a heading or a link. */
export function proseOf(markdown: string): string {
  return markdown.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '');
}

/** Anchors of the headings, as GitHub makes them. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(markdown).matchAll(/^#{1,6} (.+)$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const anchor = words
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Targets of all links and images of a page. */
export function linksOf(markdown: string): readonly string[] {
  return [...proseOf(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** The text from a heading to the next one of its level or above. */
export function sectionOf(markdown: string, heading: string): string {
  const start = markdown.indexOf(`${heading}\n`);
  if (start === -1) throw new Error(`there is no "${heading}"`);
  const level = heading.indexOf(' ');
  const rest = markdown.slice(start + heading.length);
  const end = rest.search(new RegExp(`\\n#{1,${level}} `));
  return end === -1 ? rest : rest.slice(0, end);
}

/** The rows of the first table, cell by cell, without its head. */
export function tableRows(markdown: string): readonly (readonly string[])[] {
  const lines = markdown.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  if (start === -1) throw new Error('there is no table');
  const rows: string[][] = [];
  for (let index = start + 2; lines[index]?.startsWith('|'); index++)
    rows.push(
      lines[index]!.slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|')),
    );
  return rows;
}
