/**
 * Golden pairs: `<case>.in.json` is a host with the body that Consul answered, `<case>.out.json` the update that follows from it.
 * `UPDATE_GOLDEN=1` writes the `.out.json` anew and deletes those without an input; read the difference before you commit it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Publisher } from '../../../src/control-plane/consul/publisher.ts';
import { clusterNameOf, serviceTargetFromHost } from '../../../src/control-plane/consul/service-target.ts';
import { translateInstances } from '../../../src/control-plane/consul/translate.ts';
import { safeDefaults } from '../../../src/control-plane/safe-defaults.ts';
import { RecordingSink } from '../../support/recording-sink.ts';

interface Input {
  readonly host: string;
  readonly onlyPassing?: boolean;
  readonly index: number;
  readonly answer: readonly unknown[];
}

const folder = new URL('./', import.meta.url);
const update = process.env['UPDATE_GOLDEN'] === '1';
const files = readdirSync(folder);
const cases = files.filter((file) => file.endsWith('.in.json')).map((file) => file.slice(0, -'.in.json'.length));

async function translated({ host, onlyPassing = false, index, answer }: Input): Promise<unknown> {
  const target = serviceTargetFromHost(host);
  assert.ok('service' in target);
  const sink = new RecordingSink();
  const instances = translateInstances(clusterNameOf(target), answer, { onlyPassing });
  await new Publisher('consul', 'consul', sink).put(target, instances, BigInt(index));
  return JSON.parse(JSON.stringify(sink.updates[0], withoutDefaults)) as unknown;
}

/** The safe defaults are tested where they are made; here only that they are there. */
function withoutDefaults(key: string, value: unknown): unknown {
  if (key === 'policy' && isDeepStrictEqual(value, safeDefaults.policy)) return 'safe defaults';
  if (typeof value !== 'object' || value === null || !('discovery' in value)) return value;
  const entries = Object.entries(value).filter(([name, field]) => !isDeepStrictEqual(field, Reflect.get(safeDefaults.cluster, name)));
  const defaults = Object.keys(safeDefaults.cluster).every((name) => name in value && !entries.some(([other]) => other === name));
  return { ...Object.fromEntries(entries), ...(defaults && { theRest: 'safe defaults' }) };
}

describe('what Consul answers, in the words of the model', () => {
  for (const name of cases) {
    it(name, async () => {
      const result = await translated(JSON.parse(readFileSync(new URL(`${name}.in.json`, folder), 'utf8')) as Input);
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
