/**
 * Proof that the model is wide enough: documents of the control planes, translated into the model by hand. The compiler checks that
 * `out.ts` is typed by the model; this test checks that the store takes it, and that `notes.md` accounts for every field of the
 * input: where it is in the model, that the mesh does it by nature, or that it is reported.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { createConfigStore } from '../../../src/control-plane/store.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import type { Problem } from '../../../src/model/contracts.ts';
import type { Resource } from '../../../src/model/snapshot.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { leafPaths } from './leaf-paths.ts';
import { parseNotes, type NoteRow } from './notes.ts';

interface Pair {
  readonly resources: readonly Resource[];
  readonly unhonoured: readonly Problem[];
}

const here = new URL('./', import.meta.url);
const cases = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** Policies that the pairs name and that this version does not have yet. */
const laterPolicies = ['peak-ewma'];

function readInput(directory: URL): unknown {
  const file = readdirSync(directory).find((name) => name.startsWith('in.'))!;
  const text = readFileSync(new URL(file, directory), 'utf8');
  if (file.endsWith('.json')) return JSON.parse(text);
  const documents = parseAllDocuments(text).map((document) => document.toJS() as { readonly kind: string });
  return Object.fromEntries(documents.map((document) => [document.kind, document]));
}

function isNamedBy(path: string, row: NoteRow): boolean {
  return row.input.endsWith('.**') ? path.startsWith(row.input.slice(0, -2)) || path === row.input.slice(0, -3) : path === row.input;
}

describe('the model can say', () => {
  for (const name of cases) {
    describe(name, async () => {
      const directory = new URL(`${name}/`, here);
      const { resources, unhonoured } = (await import(new URL('out.ts', directory).href)) as Pair;
      const { rows, maps } = parseNotes(readFileSync(new URL('notes.md', directory), 'utf8'));
      const inputs = leafPaths(readInput(directory), maps);

      it('every resource of it in a way that the store accepts', async () => {
        const store = createConfigStore({
          sources: ['test'],
          clock: createVirtualClock(),
          policyNames: [...loadBalancingPolicies.keys(), ...laterPolicies],
          checkPolicyOptions: ({ policy, options }, path) => void loadBalancingPolicies.get(policy)?.options.parse(options, path),
          onSnapshot: () => {},
        });
        const result = await store.sink('test').apply({ version: '1', set: resources, remove: [], unhonoured });
        assert.deepEqual(result.rejected, []);
        assert.equal(result.accepted.length, resources.length);
        assert.deepEqual(result.unhonoured, unhonoured);
      });

      it('every field of it, with a row in the notes', () => {
        const missing = [...inputs].filter((path) => !rows.some((row) => isNamedBy(path, row)));
        assert.deepEqual(missing, []);
      });

      it('nothing but its fields: no row is out of date', () => {
        const stale = rows.filter((row) => ![...inputs].some((path) => isNamedBy(path, row))).map(({ input }) => input);
        assert.deepEqual(stale, []);
      });

      it('each field at the place that its row names', () => {
        const places = resources.flatMap(({ kind, value }) => [...leafPaths(value, [])].map((path) => `${kind}: ${path}`));
        const wrong = rows.flatMap(({ input, model }) =>
          model
            .filter((path) => !places.some((place) => place === path || place.startsWith(`${path}.`) || place.startsWith(`${path}[`)))
            .map((path) => `${input} → ${path}`),
        );
        assert.deepEqual(wrong, []);
      });

      it('the rest by nature, or reported with its path', () => {
        const silent = rows.filter(({ model, standing }) => model.length === 0 && standing === undefined).map(({ input }) => input);
        assert.deepEqual(silent, []);
        const reported = rows.filter(({ standing }) => standing === 'reported');
        assert.equal(reported.length, unhonoured.length, 'one report for each row, and the other way round');
      });
    });
  }
});
