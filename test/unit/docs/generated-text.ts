/** The parts of the reference pages that are made from the code. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorTable } from '../../../src/base/errors.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import { optionTable } from '../../../src/options.ts';
import { root } from './markdown.ts';

const run = promisify(execFile);

const makers: Readonly<Record<string, () => string | Promise<string>>> = {
  errors: errorsTable,
  options: optionsTable,
  policies: policiesTable,
  commands: commandSections,
};

/** Throws a RangeError for a name that nothing is made for. */
export async function generatedText(name: string): Promise<string> {
  if (!Object.hasOwn(makers, name))
    throw new RangeError(`nothing is generated for "${name}"; there are ${Object.keys(makers).join(', ')}`);
  return makers[name]!();
}

function errorsTable(): string {
  const rows = Object.entries(errorTable)
    .sort(([a], [b]) => a.localeCompare(b, 'en'))
    .map(([code, { flag, status, grpcStatus, details, meaning, remedy }]) => [
      `\`${code}\``,
      flag === '-'
        ? '–'
        : flag
            .split(',')
            .map((one) => `\`${one}\``)
            .join(', '),
      String(status),
      grpcStatus,
      `\`${details}\``,
      meaning,
      remedy,
    ]);
  return table(['code', 'flag', 'status', 'gRPC status', 'details', 'meaning', 'what to do'], rows);
}

function optionsTable(): string {
  const rows = Object.entries(optionTable).map(([name, { doc, expected }]) => [`\`${name}\``, expected, doc]);
  return table(['option', 'must be', 'what it does'], rows);
}

function policiesTable(): string {
  const parts: string[] = [
    table(
      ['policy', 'what it does'],
      [...loadBalancingPolicies.values()].map(({ name, doc }) => [`\`${name}\``, doc]),
    ),
  ];
  for (const { name, options } of loadBalancingPolicies.values()) {
    if (options.fields.length === 0) continue;
    const rows = options.fields.map((field) => [`\`${field.name}\``, field.type, field.default, field.doc]);
    parts.push(`Options of \`${name}\`:`, table(['option', 'type', 'default', 'what it does'], rows));
  }
  return parts.join('\n\n');
}

/** What a command prints. */
export async function commandOutput(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [join(root, 'src/cli/main.ts'), ...args], {
    env: { ...process.env, NODE_OPTIONS: '--conditions=meshfetch-source' },
  });
  return stdout;
}

/** The names under "Commands:" of `meshfetch --help`. */
export async function commandNames(): Promise<readonly string[]> {
  return [...(await commandOutput('--help')).matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name = '']) => name);
}

async function commandSections(): Promise<string> {
  const sections = [`\`\`\`text\n${await commandOutput('--help')}\`\`\``];
  for (const name of [...(await commandNames())].sort())
    sections.push(`## \`meshfetch ${name}\``, `\`\`\`text\n${await commandOutput(name, '--help')}\`\`\``);
  return sections.join('\n\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
