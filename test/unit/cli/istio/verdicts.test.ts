/** The table of what is not carried out names fields that Istio has. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fieldTreeFrom, type FieldTree } from '../../../../src/cli/istio/field-tree.ts';
import { istioFields } from '../../../../src/cli/istio/istio-fields.ts';
import { verdicts } from '../../../../src/cli/istio/verdicts.ts';

/** The part of a tree that a path names; undefined when there is none. */
function partAt(tree: FieldTree, path: string): FieldTree | undefined {
  let part: FieldTree | undefined = tree;
  for (const [step] of path.matchAll(/\w+|\[\]|<>/g)) {
    if (step === '[]') part = part?.kind === 'list' ? part.of : undefined;
    else if (step === '<>') part = part?.kind === 'map' ? part.of : undefined;
    else part = part?.kind === 'object' ? part.fields.get(step) : undefined;
  }
  return part;
}

const treeOf = (kind: string): FieldTree => fieldTreeFrom(istioFields[kind]!.slice(istioFields[kind]!.indexOf('{')));

describe('the fields of Istio', () => {
  it('are read from their notation as it is written', () => {
    const text = (tree: FieldTree): string => {
      if (tree.kind === 'value') return '';
      if (tree.kind === 'anything') return '*';
      if (tree.kind === 'list') return `[${text(tree.of)}]`;
      if (tree.kind === 'map') return `<${text(tree.of)}>`;
      return `{${[...tree.fields].map(([name, field]) => `${name}${text(field)}`).join(',')}}`;
    };
    for (const notation of Object.values(istioFields)) {
      const written = notation.slice(notation.indexOf('{'));
      assert.equal(text(fieldTreeFrom(written)), written);
    }
  });

  it('are those that verdicts speak of', () => {
    for (const [kind, list] of Object.entries(verdicts))
      for (const { path } of list) assert.ok(partAt(treeOf(kind), path) !== undefined, `${kind} has no ${path}`);
  });
});
