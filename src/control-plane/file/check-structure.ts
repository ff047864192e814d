/**
 * Mistakes of structure: unknown keys, and a list where a mapping belongs. Valibot stops at the first unknown
 * key of an object and takes a list for an object; a reader wants all mistakes at once, with the name that was probably meant.
 */
import type * as v from 'valibot';
import { suggestion } from '../../base/nearest-name.ts';
import type { FilePath, FileProblem } from './file-problem.ts';
import { shown } from './file-problem.ts';
import { isMapping, type PlainMapping, type PlainValue } from './plain-value.ts';

/** The parts of a valibot schema that its structure is read from. */
export interface SchemaNode {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly wrapped?: SchemaNode;
  readonly item?: SchemaNode;
  readonly value?: SchemaNode;
  readonly options?: readonly SchemaNode[];
  readonly getter?: () => SchemaNode;
  readonly message?: unknown;
}

/** A schema as a tree to walk. */
export function schemaNode(schema: v.GenericSchema): SchemaNode {
  return schema;
}

/** The problems of structure of `value`, outermost first, found as far as they are taken. */
export function* structureProblems(schema: SchemaNode, value: PlainValue, path: FilePath = []): Generator<FileProblem> {
  switch (schema.type) {
    case 'exact_optional':
    case 'optional':
      yield* structureProblems(schema.wrapped!, value, path);
      return;
    case 'lazy':
      yield* structureProblems(schema.getter!(), value, path);
      return;
    case 'strict_object':
      yield* isMapping(value) ? keyProblems(schema.entries!, value, path) : listForMapping(schema, value, path);
      return;
    case 'record':
      if (!isMapping(value)) yield* listForMapping(schema, value, path);
      else for (const key of Object.keys(value)) yield* structureProblems(schema.value!, value[key]!, [...path, key]);
      return;
    case 'array':
      if (!Array.isArray(value)) return;
      for (const [index, item] of value.entries()) yield* structureProblems(schema.item!, item, [...path, index]);
      return;
    case 'union': {
      const shape = isMapping(value) ? 'strict_object' : Array.isArray(value) ? 'array' : undefined;
      const option = shape === undefined ? undefined : schema.options!.find(({ type }) => type === shape);
      if (option !== undefined) yield* structureProblems(option, value, path);
      return;
    }
    default:
  }
}

function* keyProblems(
  entries: Readonly<Record<string, SchemaNode>>,
  value: PlainMapping,
  path: FilePath,
): Generator<FileProblem> {
  const known = Object.keys(entries);
  for (const key of Object.keys(value)) {
    const inner = [...path, key];
    if (Object.hasOwn(entries, key)) yield* structureProblems(entries[key]!, value[key]!, inner);
    else yield { path: inner, reason: `unknown key; ${suggestion(key, known)}`, atKey: true };
  }
}

function listForMapping({ message }: SchemaNode, value: PlainValue, path: FilePath): FileProblem[] {
  return Array.isArray(value) ? [{ path, reason: `found ${shown(value)}; expected ${String(message)}` }] : [];
}
