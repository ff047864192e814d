/**
 * Writes schema/mesh.schema.json and docs/reference/configuration.md from the one schema of the configuration file.
 *
 *     node --conditions=meshfetch-source test/support/generate-reference.ts [--check]
 *
 * With `--check` nothing is written, and the status is 1 when a file is not what would be written.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { toJsonSchema } from '@valibot/to-json-schema';
import { schemaNode, type SchemaNode } from '../../src/control-plane/file/check-structure.ts';
import { meshFile, namedSchemas } from '../../src/control-plane/file/schema.ts';
import { configurationPage } from './configuration-page.ts';

const root = new URL('../../', import.meta.url);

/** The JSON Schema of a configuration file, draft 7, which editors understand. */
export function jsonSchemaText(): string {
  const schema = toJsonSchema(meshFile, {
    target: 'draft-07',
    typeMode: 'input',
    definitions: namedSchemas,
    // Checks that a JSON Schema cannot say are made when the file is read.
    ignoreActions: ['check', 'raw_check', 'finite', 'max_bytes'],
  });
  return `${JSON.stringify({ ...schema, title: 'meshfetch configuration' }, null, 2)}\n`;
}

/** The generated files by path from the root of the repository. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const example = await readFile(new URL('test/golden/file/complete.in.yaml', root), 'utf8');
  const sections = Object.entries(namedSchemas).map(([name, schema]): [string, SchemaNode] => [name, schemaNode(schema)]);
  return new Map([
    ['schema/mesh.schema.json', jsonSchemaText()],
    ['docs/reference/configuration.md', configurationPage(schemaNode(meshFile), new Map(sections), example)],
  ]);
}

/** Paths of generated files that are not what would be written. */
export async function driftedFiles(): Promise<string[]> {
  const drifted: string[] = [];
  for (const [path, text] of await generatedFiles()) {
    const current = await readFile(new URL(path, root), 'utf8').catch(() => undefined);
    if (current !== text) drifted.push(path);
  }
  return drifted;
}

if (import.meta.main) {
  const drifted = await driftedFiles();
  if (process.argv.includes('--check')) {
    for (const path of drifted) console.error(`${path} is out of date; run node test/support/generate-reference.ts`);
    process.exitCode = drifted.length === 0 ? 0 : 1;
  } else {
    const files = await generatedFiles();
    for (const path of drifted) {
      await writeFile(new URL(path, root), files.get(path)!);
      console.log(`wrote ${path}`);
    }
  }
}
