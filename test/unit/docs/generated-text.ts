/** The parts of the reference pages that are made from the code. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorTable } from '../../../src/base/errors.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import { optionTable } from '../../../src/options.ts';
import { readText, root } from './markdown.ts';

const run = promisify(execFile);

const makers: Readonly<Record<string, () => string | Promise<string>>> = {
  errors: errorsTable,
  options: optionsTable,
  policies: policiesTable,
  commands: commandSections,
  clients: async () => (await import('../../contract/clients/clients-page.ts')).clientsTables(),
  'xds-options': () => fieldsTable('src/control-plane/xds/options.ts', 'XdsOptions'),
  'xds-server-options': () => fieldsTable('src/control-plane/xds/options.ts', 'XdsServerOptions'),
  'xds-tls-options': () => fieldsTable('src/control-plane/xds/options.ts', 'XdsTlsOptions'),
  'xds-snapshot-options': () => fieldsTable('src/control-plane/xds/options.ts', 'XdsSnapshotOptions'),
  'istio-options': () => fieldsTable('src/control-plane/istio/options.ts', 'IstioOptions'),
  'listen-options': () => fieldsTable('src/data-plane/listen/listen-options.ts', 'ListenOptions'),
  'door-options': () => fieldsTable('src/model/inbound.ts', 'InboundDoorOptions'),
  'spiffe-options': () => fieldsTable('src/control-plane/spiffe/options.ts', 'SpiffeOptions'),
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

/** The fields of an interface: name, type and comment. Throws where a field has no comment. */
export function fieldsOf(
  path: string,
  name: string,
): readonly { readonly name: string; readonly type: string; readonly doc: string }[] {
  const [, body = ''] =
    new RegExp(`^export interface ${name}(?: extends [^{]+)? \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(readText(path)) ?? [];
  const fields = [...body.matchAll(/(?: {2}\/\*\*([\s\S]*?)\*\/\n)? {2}readonly (\w+)\??: (.+);$/gm)];
  let doc = '';
  return fields.map(([, comment, field = '', type = '']) => {
    // Two fields may stand below one comment.
    if (comment !== undefined) doc = comment.replaceAll(/\s*\n\s*\*\s?/g, ' ').trim();
    if (doc === '') throw new Error(`${path}: ${name}.${field} says nothing of itself`);
    return { name: field, type: type.replaceAll(/\breadonly (?!\()/g, '').replace(/^readonly /, ''), doc };
  });
}

function fieldsTable(path: string, name: string): string {
  return table(
    ['option', 'type', 'what it does'],
    fieldsOf(path, name).map((field) => [`\`${field.name}\``, `\`${field.type}\``, field.doc]),
  );
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
