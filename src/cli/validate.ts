import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { isMeshError } from '../base/errors.ts';
import { systemClock } from '../base/runtime.ts';
import { readConfigFile } from '../control-plane/file/client.ts';
import { checkIdentityFiles, parseMeshFile, translateMeshFile } from '../control-plane/file/index.ts';
import type { CommandIo } from './command.ts';

const help = `Usage: meshfetch validate [FILE…] [--json] [--no-identity]

Checks each mesh.yaml (default: mesh.yaml) and opens the PEM files of its identity, without starting anything. What is written
and has no effect, or another one than it seems to have, is a warning.
Exit status 0: all are good, 1: one has mistakes, 2: one cannot be read.

  --json          one line of JSON for each file
  --no-identity   leaves the PEM files alone, for a machine that does not have them
`;

/** What was found in one file. */
interface Report {
  readonly status: 0 | 1 | 2;
  /** As JSON, beside the name of the file. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** `meshfetch validate`. */
export async function validate(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean' }, 'no-identity': { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  let worst = 0;
  for (const file of positionals.length === 0 ? ['mesh.yaml'] : positionals) {
    const { status, facts, text } = await report(file, values['no-identity'] !== true);
    if (values.json) io.stdout.write(`${JSON.stringify({ file, ok: status === 0, ...facts })}\n`);
    else if (status === 2) io.stderr.write(`meshfetch validate: ${text}\n`);
    else io.stdout.write(`${text}\n`);
    worst = Math.max(worst, status);
  }
  return worst;
}

async function report(file: string, opensIdentity: boolean): Promise<Report> {
  try {
    const { text } = await readConfigFile(file);
    const parsed = await parseMeshFile(text, file);
    const { identity } = parsed;
    const { error, warning } =
      identity === undefined || !opensIdentity ? {} : await checkIdentityFiles(identity, dirname(file), systemClock);
    if (error !== undefined)
      return {
        status: 1,
        facts: { error, problems: [{ path: 'identity', reason: error }] },
        text: `${file} has a mistake:\n  ${error}`,
      };
    const services = Object.keys(parsed.services);
    const warnings = translateMeshFile(parsed).unhonoured.map(({ path, reason }) => ({ path, reason }));
    return {
      status: 0,
      facts: { services, ...(warning !== undefined && { warning }), ...(warnings.length > 0 && { warnings }) },
      text: [
        `${file}: good, ${services.length} service${services.length === 1 ? '' : 's'}: ${services.join(', ')}`,
        ...(warning === undefined ? [] : [`  ${warning}`]),
        ...warnings.map(({ path, reason }) => `  warning: ${path}: ${reason}`),
      ].join('\n'),
    };
  } catch (error) {
    if (!isMeshError(error)) throw error;
    const { message, code, details } = error;
    return {
      status: code === 'MESH_CONFIG_UNREADABLE' ? 2 : 1,
      facts: { error: message, problems: details['problems'] ?? [] },
      text: message,
    };
  }
}
