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
  readonly message?: unknown;
}

/** A schema as a tree to walk. */
export function schemaNode(schema: v.GenericSchema): SchemaNode {
  return schema;
}

/** The problems of structure of `value`, outermost first. */
export function structureProblems(schema: SchemaNode, value: PlainValue, path: FilePath = []): FileProblem[] {
  switch (schema.type) {
    case 'exact_optional':
    case 'optional':
      return structureProblems(schema.wrapped!, value, path);
    case 'strict_object':
      return isMapping(value) ? keyProblems(schema.entries!, value, path) : listForMapping(schema, value, path);
    case 'record':
      if (!isMapping(value)) return listForMapping(schema, value, path);
      return Object.keys(value).flatMap((key) => structureProblems(schema.value!, value[key]!, [...path, key]));
    case 'array':
      if (!Array.isArray(value)) return [];
      return value.flatMap((item, index) => structureProblems(schema.item!, item, [...path, index]));
    case 'union': {
      const mapping = isMapping(value) ? schema.options!.find((option) => option.type === 'strict_object') : undefined;
      return mapping === undefined ? [] : structureProblems(mapping, value, path);
    }
    default:
      return [];
  }
}

function keyProblems(entries: Readonly<Record<string, SchemaNode>>, value: PlainMapping, path: FilePath): FileProblem[] {
  const known = Object.keys(entries);
  return Object.keys(value).flatMap((key) => {
    const inner = [...path, key];
    if (Object.hasOwn(entries, key)) return structureProblems(entries[key]!, value[key]!, inner);
    return [{ path: inner, reason: `unknown key; ${suggestion(key, known)}`, atKey: true }];
  });
}

function listForMapping({ message }: SchemaNode, value: PlainValue, path: FilePath): FileProblem[] {
  return Array.isArray(value) ? [{ path, reason: `found ${shown(value)}; expected ${String(message)}` }] : [];
}
