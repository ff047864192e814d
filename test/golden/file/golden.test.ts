/**
 * Golden pairs: `<case>.in.yaml` is a configuration file, `<case>.out.json` what it says in the words of the model.
 * `UPDATE_GOLDEN=1` writes the `.out.json` anew and deletes those without an input; read the difference before you commit it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseMeshFile } from '../../../src/control-plane/file/parse-mesh-file.ts';
import { loadBalancing } from '../../../src/control-plane/file/schema-load-balancing.ts';
import { translateMeshFile } from '../../../src/control-plane/file/translate.ts';
import { systemClock } from '../../../src/base/runtime.ts';
import { unhonouredOf } from '../../../src/data-plane/unhonoured.ts';
import { createConfigStore } from '../../../src/control-plane/store.ts';

const folder = new URL('./', import.meta.url);
const update = process.env['UPDATE_GOLDEN'] === '1';
const files = readdirSync(folder);
const cases = files.filter((file) => file.endsWith('.in.yaml')).map((file) => file.slice(0, -'.in.yaml'.length));

async function translated(name: string) {
  return translateMeshFile(await parseMeshFile(readFileSync(new URL(`${name}.in.yaml`, folder), 'utf8'), `${name}.in.yaml`));
}

describe('a configuration file, in the words of the model', () => {
  for (const name of cases) {
    it(name, async () => {
      const result: unknown = JSON.parse(JSON.stringify(await translated(name)));
      const golden = new URL(`${name}.out.json`, folder);
      if (update) writeFileSync(golden, `${JSON.stringify(result, undefined, 2)}\n`);
      assert.deepEqual(result, JSON.parse(readFileSync(golden, 'utf8')));
    });

    it(`${name} is accepted whole by the store`, async () => {
      const store = createConfigStore({
        sources: ['file'],
        clock: systemClock,
        policyNames: loadBalancing.entries.policy.options,
        onSnapshot: () => {},
      });
      const { resources } = await translated(name);
      const result = await store.sink('file').apply({ version: '1', set: resources, remove: [] });
      assert.deepEqual(result, { accepted: resources.map(({ kind, name }) => ({ kind, name })), rejected: [], unhonoured: [] });
    });
  }

  it('says nothing that is not carried out', async () => {
    const found = new Set<string>();
    let clusters = 0;
    const store = createConfigStore({
      sources: ['file'],
      clock: systemClock,
      policyNames: loadBalancing.entries.policy.options,
      onSnapshot: ({ sources }) => {
        for (const source of sources) {
          clusters += source.clusters.size;
          for (const { path, reason } of unhonouredOf(source)) found.add(`${path.replaceAll(/\[\d+\]/g, '[]')}: ${reason}`);
        }
      },
    });
    for (const name of cases) {
      const { resources } = await translated(name);
      await store.sink('file').apply({ version: name, set: resources, remove: [], replaces: ['cluster', 'route-table'] });
    }
    assert.ok(clusters > 50);
    const hostName = 'a host name: each connection goes to one of its addresses, as the system picks it';
    assert.deepEqual([...found], [`discovery.localities[].endpoints[].address: ${hostName}`]);
  });

  it('has an input for every output', () => {
    for (const file of files) {
      if (!file.endsWith('.out.json') || cases.includes(file.slice(0, -'.out.json'.length))) continue;
      if (update) rmSync(new URL(file, folder));
      else assert.fail(`${file} has no input; delete it`);
    }
  });
});
