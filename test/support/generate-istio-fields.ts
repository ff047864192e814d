/**
 * Writes src/cli/istio/istio-fields.ts from the schemas of Istio's resources (the CustomResourceDefinitions of the Go module
 * istio.io/api). By hand, when Istio has new fields (Go is needed, and its module proxy the first time):
 *
 *     node test/support/generate-istio-fields.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

const version = 'v1.31.0-rc.0.0.20260824154656-b943409680a7';

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly oneOf?: readonly Alternative[];
  readonly allOf?: readonly { readonly oneOf?: readonly Alternative[] }[];
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly format?: string;
  readonly nullable?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string }[];
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
}
interface Alternative {
  readonly required?: readonly string[];
}
interface Definition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly storage: boolean;
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

/** Lists of allowed words, and patterns of texts: each is written once. */
const enums: string[] = [];
const patterns: string[] = [];

function placeIn(list: string[], entry: string): number {
  if (!list.includes(entry)) list.push(entry);
  return list.indexOf(entry);
}

/** See the head of the generated file. */
function notation(schema: Schema): string {
  if (schema.items !== undefined) return `[${notation(schema.items)}]${range(schema.minItems, schema.maxItems)}`;
  if (schema.properties !== undefined) return `{${fields(schema)}${groups(schema)}}`;
  if (typeof schema.additionalProperties === 'object') return `<${notation(schema.additionalProperties)}>`;
  if (schema.type === 'object' || schema['x-kubernetes-preserve-unknown-fields'] === true) return '*';
  return `${valueType(schema)}${schema.nullable === true ? '?' : ''}`;
}

function fields({ properties, required = [] }: Schema): string {
  return Object.entries(properties!)
    .map(([name, schema]) => `${name}${required.includes(name) ? '!' : ''}${notation(schema)}`)
    .join(',');
}

/** Fields of which one may be there at most: each alternative requires one of them, but for the one that is none of them. */
function groups({ oneOf, allOf = [] }: Schema): string {
  return [{ oneOf }, ...allOf]
    .map((group) => (group.oneOf ?? []).flatMap(({ required = [] }) => required))
    .filter((names) => names.length > 1)
    .map((names) => `|${names.join(' ')}`)
    .join('');
}

function valueType(schema: Schema): string {
  switch (schema.type) {
    case 'boolean':
      return ':b';
    case 'integer': {
      const isInt32 = schema.format === 'int32' && schema.minimum === undefined && schema.maximum === undefined;
      return isInt32 ? ':I' : `:i${range(schema.minimum, schema.maximum)}`;
    }
    case 'number':
      return `:n${range(schema.minimum, schema.maximum)}`;
    case 'string':
      return textType(schema);
    default:
      throw new Error(`no notation for a ${schema.type}`);
  }
}

function textType(schema: Schema): string {
  if (schema.enum !== undefined) return `:e${placeIn(enums, schema.enum.join(' '))}`;
  if (schema.pattern !== undefined) return `:p${placeIn(patterns, schema.pattern)}`;
  if (schema.format === 'byte') return ':y';
  if (schema['x-kubernetes-validations']?.some(({ rule }) => rule.includes('duration(self)')) === true) return ':D';
  const length = range(schema.minLength, schema.maxLength);
  return length === '' ? '' : `:s${length}`;
}

function range(min: number | undefined, max: number | undefined): string {
  return min === undefined && max === undefined ? '' : `${min ?? ''}..${max ?? ''}`;
}

function schemaFile(folder: string): string {
  writeFileSync(join(folder, 'go.mod'), 'module fields\n\ngo 1.26\n');
  const out = execFileSync('go', ['mod', 'download', '-json', `istio.io/api@${version}`], { cwd: folder, encoding: 'utf8' });
  return join((JSON.parse(out) as { readonly Dir: string }).Dir, 'kubernetes/customresourcedefinitions.gen.yaml');
}

const folder = mkdtempSync(join(tmpdir(), 'meshfetch-istio-fields-'));
const definitions = parseAllDocuments(readFileSync(schemaFile(folder), 'utf8')).flatMap((document) => {
  const definition = document.toJS() as Definition | null;
  return definition === null ? [] : [definition];
});
rmSync(folder, { recursive: true });
const rows = definitions.map(({ spec }) => {
  const stored = spec.versions.find(({ storage }) => storage)!;
  const { spec: schema } = stored.schema.openAPIV3Schema.properties!;
  const text = `${spec.group} ${spec.versions.map(({ name }) => name).join(' ')} ${notation(schema!)}`;
  return `  ${spec.names.kind}:\n    '${text}',\n`;
});
const listed = (list: readonly string[]): string => list.map((entry) => `  ${JSON.stringify(entry)},\n`).join('');
const target = fileURLToPath(new URL('../../src/cli/istio/istio-fields.ts', import.meta.url));
writeFileSync(
  target,
  `/**
 * Fields of Istio's resources, GENERATED from istio.io/api ${version} by
 * test/support/generate-istio-fields.ts: do not edit. Of each kind: the group, its versions, and the fields of \`spec\`.
 *
 * \`{a,b!,c}\` is an object (\`!\`: the field must be there), and \`|a b\` at its end says that one of these may be there at most;
 * \`[…]\` a list, \`<…>\` a map by key, \`*\` anything. A value has its type behind it: none or \`:s\` a text, \`:b\` a boolean, \`:i\` a
 * whole number (\`:I\` one of 32 bits), \`:n\` a number, \`:D\` a duration, \`:y\` bytes, \`:eN\` one of the words, \`:pN\` a text of the pattern; \`1..9\` bounds the
 * number, or the length of the text or of the list; \`?\`: null is a value too.
 */
export const istioFields: Readonly<Record<string, string>> = {
${rows.toSorted().join('')}};

/** Words that are allowed, for \`:eN\`. */
export const istioEnums: readonly string[] = [
${listed(enums)}];

/** Patterns of texts, for \`:pN\`. */
export const istioPatterns: readonly string[] = [
${listed(patterns)}];
`,
);
execFileSync('oxfmt', [target]);
