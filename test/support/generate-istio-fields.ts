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
import { parseAllDocuments } from 'yaml';

const version = 'v1.31.0-rc.0.0.20260824154656-b943409680a7';

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
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

/** `a,b[{c}],d{e},f<{g}>,h*`: lists, objects, maps by key, and what may hold anything. */
function notation(schema: Schema): string {
  if (schema.items !== undefined) return `[${notation(schema.items)}]`;
  if (schema.properties !== undefined) return `{${fields(schema.properties)}}`;
  if (typeof schema.additionalProperties === 'object') return `<${notation(schema.additionalProperties)}>`;
  return schema.type === 'object' || schema['x-kubernetes-preserve-unknown-fields'] === true ? '*' : '';
}

function fields(properties: Readonly<Record<string, Schema>>): string {
  return Object.entries(properties)
    .map(([name, schema]) => `${name}${notation(schema)}`)
    .join(',');
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
writeFileSync(
  new URL('../../src/cli/istio/istio-fields.ts', import.meta.url),
  `/**
 * Fields of Istio's resources, generated from istio.io/api ${version}
 * by test/support/generate-istio-fields.ts: the group, its versions, and the fields of \`spec\` as \`a,b[{c}],d{e},f<{g}>,h*\`: lists,
 * objects, maps by key, and what may hold anything.
 */
export const istioFields: Readonly<Record<string, string>> = {
${rows.toSorted().join('')}};
`,
);
