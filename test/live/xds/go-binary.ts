import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goBinary } from '../go-build.ts';

const recipe = fileURLToPath(new URL('.', import.meta.url));

/** Builds a program of `cmd/`, whose sources are of this project: the name in the cache changes with them. */
export function goServer(
  command: 'control-plane' | 'workload-api',
  log: (line: string) => void,
): Promise<{ readonly path: string } | { readonly skip: string }> {
  const hash = createHash('sha256').update(readFileSync(join(recipe, 'go.sum')));
  for (const folder of ['internal', `cmd/${command}`]) {
    const files = readdirSync(join(recipe, folder), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.go'));
    for (const file of files.toSorted()) hash.update(file).update(readFileSync(join(recipe, folder, file)));
  }
  const name = `${command}-${hash.digest('hex').slice(0, 12)}`;
  return goBinary({ name, binary: command, recipe, package: `./cmd/${command}`, takes: 'about three minutes on two cores' }, log);
}
