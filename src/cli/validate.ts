import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { isMeshError } from '../base/errors.ts';
import { systemClock } from '../base/runtime.ts';
import { readConfigFile } from '../control-plane/file/client.ts';
import { checkIdentityFiles, parseMeshFile, type MeshFile } from '../control-plane/file/index.ts';
import type { CommandIo } from './command.ts';

const help = `Usage: meshfetch validate [FILE] [--json] [--no-identity]

Checks a mesh.yaml (default: mesh.yaml) and opens the PEM files of its identity, without starting anything.
Exit status 0: good, 1: has mistakes, 2: cannot be read.

  --no-identity   leaves the PEM files alone, for a machine that does not have them
`;

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
  const file = positionals[0] ?? 'mesh.yaml';
  const { text } = await readConfigFile(file);
  let parsed: MeshFile;
  try {
    parsed = await parseMeshFile(text, file);
  } catch (error) {
    if (!isMeshError(error)) throw error;
    const problems = error.details['problems'] ?? [];
    io.stdout.write(values.json ? json({ file, ok: false, error: error.message, problems }) : `${error.message}\n`);
    return 1;
  }
  const services = Object.keys(parsed.services);
  const { error, warning } =
    parsed.identity === undefined || values['no-identity']
      ? {}
      : await checkIdentityFiles(parsed.identity, dirname(file), systemClock);
  if (error !== undefined) {
    const problems = [{ path: 'identity', reason: error }];
    io.stdout.write(values.json ? json({ file, ok: false, error, problems }) : `${file} has a mistake:\n  ${error}\n`);
    return 1;
  }
  if (values.json) io.stdout.write(json({ file, ok: true, services, ...(warning !== undefined && { warning }) }));
  else {
    const count = `${services.length} service${services.length === 1 ? '' : 's'}`;
    io.stdout.write(`${file}: good, ${count}: ${services.join(', ')}\n${warning === undefined ? '' : `  ${warning}\n`}`);
  }
  return 0;
}

function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
