import { reasonAgainst } from './behaviour.ts';
import { subjects } from './behaviours/index.ts';
import { clients } from './clients.ts';

/** The tables of docs/reference/clients.md: how each client is written, the behaviours, and why some do not apply. */
export function clientsTables(): string {
  const written = table(
    ['client', 'how it is given the mesh'],
    clients.map((client) => [client.name, client.written]),
  );
  const reasons: string[] = [];
  const numberOf = (reason: string): number => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return reasons.indexOf(reason) + 1;
  };
  const sections = subjects.map(({ title, behaviours }) => {
    const rows = behaviours.map((behaviour) => [
      behaviour.says,
      ...clients.map((client) => {
        const reason = reasonAgainst(behaviour, client);
        return reason === undefined ? '✓' : `n/a ${numberOf(reason)}`;
      }),
    ]);
    return `### ${title}\n\n${table(['behaviour', ...clients.map(({ name }) => name)], rows)}`;
  });
  const count = subjects.flatMap(({ behaviours }) => behaviours).length;
  return [
    written,
    `## The ${count} behaviours`,
    ...sections,
    '## Why some do not apply',
    reasons.map((reason, index) => `${index + 1}. ${reason}`).join('\n'),
  ].join('\n\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
