import { parseArgs } from 'node:util';
import { isMeshError } from '../base/errors.ts';
import { readConfigFile } from '../control-plane/file/client.ts';
import { parseMeshFile } from '../control-plane/file/index.ts';
import type { CommandIo } from './command.ts';

const help = `Usage: meshfetch validate [FILE] [--json]

Checks a mesh.yaml (default: mesh.yaml) without starting anything. Exit status 0: good, 1: has mistakes, 2: cannot be read.
`;

/** `meshfetch validate`. */
export async function validate(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const file = positionals[0] ?? 'mesh.yaml';
  const { text } = await readConfigFile(file);
  try {
    const parsed = await parseMeshFile(text, file);
    const services = Object.keys(parsed.services ?? {});
    io.stdout.write(
      values.json
        ? `${JSON.stringify({ file, ok: true, services })}\n`
        : `${file}: good, ${services.length} service${services.length === 1 ? '' : 's'}: ${services.join(', ')}\n`,
    );
    return 0;
  } catch (error) {
    if (!isMeshError(error)) throw error;
    io.stdout.write(
      values.json
        ? `${JSON.stringify({ file, ok: false, error: error.message, problems: error.details['problems'] ?? [] })}\n`
        : `${error.message}\n`,
    );
    return 1;
  }
}
