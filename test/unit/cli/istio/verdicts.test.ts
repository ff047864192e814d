/** The table of what is not carried out names fields that Istio has. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fieldTreeFrom, type Bounds, type FieldTree, type ValueType } from '../../../../src/cli/istio/field-tree.ts';
import { istioEnums, istioFields, istioPatterns } from '../../../../src/cli/istio/istio-fields.ts';
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

const boundsText = ({ min, max }: Bounds): string => (min === undefined && max === undefined ? '' : `${min ?? ''}..${max ?? ''}`);

function typeText(type: ValueType): string {
  switch (type.kind) {
    case 'boolean':
      return ':b';
    case 'duration':
      return ':D';
    case 'bytes':
      return ':y';
    case 'word':
      return `:e${istioEnums.indexOf(type.words.join(' '))}`;
    case 'pattern':
      return `:p${istioPatterns.indexOf(type.pattern)}`;
    case 'text':
      return boundsText(type) === '' ? '' : `:s${boundsText(type)}`;
    case 'whole':
      return type.min === -(2 ** 31) ? ':I' : `:i${boundsText(type)}`;
    default:
      return `:n${boundsText(type)}`;
  }
}

const treeOf = (kind: string): FieldTree => fieldTreeFrom(istioFields[kind]!.slice(istioFields[kind]!.indexOf('{')));

describe('the fields of Istio', () => {
  it('are read from their notation as it is written', () => {
    const text = (tree: FieldTree): string => {
      switch (tree.kind) {
        case 'value':
          return `${typeText(tree.type)}${tree.isNullable ? '?' : ''}`;
        case 'anything':
          return '*';
        case 'list':
          return `[${text(tree.of)}]${boundsText(tree.length)}`;
        case 'map':
          return `<${text(tree.of)}>`;
        default: {
          const sign = (name: string): string => (tree.required.includes(name) ? '!' : '');
          const fields = [...tree.fields].map(([name, field]) => `${name}${sign(name)}${text(field)}`).join(',');
          return `{${fields}${tree.oneOf.map((names) => `|${names.join(' ')}`).join('')}}`;
        }
      }
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
