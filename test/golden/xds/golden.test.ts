/**
 * Golden pairs: `<case>.in.yaml` (or `.json`) are resources of Envoy, `<case>.out.json` what they are in the words of the model, what
 * cannot be used, and what has no effect. Cases whose name begins with `sidecar-` are read as a sidecar's: `sidecar-of-istiod` is what
 * a real istiod (1.31) sends for a ServiceEntry each of its kinds. `UPDATE_GOLDEN=1` writes the `.out.json` anew and deletes those without an input; read the difference
 * before you commit it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { translateResources } from '../../../src/control-plane/xds/translate/resources.ts';
import { parseResources } from '../../../src/control-plane/xds/parse-resources.ts';

const folder = new URL('./', import.meta.url);
const update = process.env['UPDATE_GOLDEN'] === '1';
const files = readdirSync(folder);
const inputs = files.filter((file) => /\.in\.(?:yaml|json)$/.test(file));
const cases = inputs.map((file) => file.replace(/\.in\.\w+$/, ''));
const surroundings = { hostname: 'pod-1', environment: { ZONE: 'eu-1' } };

describe('resources of Envoy, in the words of the model', () => {
  for (const [index, name] of cases.entries()) {
    it(name, () => {
      const input = parseResources(readFileSync(new URL(inputs[index]!, folder), 'utf8'));
      const options = { surroundings, port: name.startsWith('sidecar-') ? 'bound' : 'any' } as const;
      const { resources, problems, unhonoured, secrets } = translateResources(input, options);
      const told = (list: typeof problems) => list.map(({ key, path, reason }) => `${key.kind} ${key.name} ${path}: ${reason}`);
      const result: unknown = JSON.parse(
        JSON.stringify({
          resources: resources.map(({ kind, value }) => ({ kind, value })),
          problems: told(problems),
          unhonoured: told(unhonoured),
          ...(secrets.length > 0 && { secrets }),
        }),
      );
      const golden = new URL(`${name}.out.json`, folder);
      if (update) writeFileSync(golden, `${JSON.stringify(result, undefined, 2)}\n`);
      assert.deepEqual(result, JSON.parse(readFileSync(golden, 'utf8')));
    });
  }

  it('has an input for every output', () => {
    for (const file of files) {
      if (!file.endsWith('.out.json') || cases.includes(file.slice(0, -'.out.json'.length))) continue;
      if (update) rmSync(new URL(file, folder));
      else assert.fail(`${file} has no input; delete it`);
    }
  });
});
