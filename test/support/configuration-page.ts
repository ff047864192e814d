/** docs/reference/configuration.md as text: one section per mapping of the schema, one row per key. */
import * as v from 'valibot';
import type { SchemaNode } from '../../src/control-plane/file/check-structure.ts';
import { requestPolicies } from '../../src/control-plane/file/schema-requests.ts';

type Sections = ReadonlyMap<string, SchemaNode>;

/** Headings of the sections: where in the file the mapping stands. */
const headings: Readonly<Record<string, string>> = {
  service: 'services.<name>',
  endpoint: 'endpoints[]',
  route: 'routes[]',
  routeMatch: 'match',
  pathMatch: 'match.path',
  stringMatch: 'match.headers, match.query, match.cookies',
  destination: 'to[]',
  pathRewrite: 'rewrite.path',
  hostRewrite: 'rewrite.host',
  substitution: 'rewrite.path.regex, rewrite.host.regex',
  mirror: 'mirror[]',
  headerMutation: 'requestHeaders, responseHeaders',
  hashPolicy: 'hash[]',
  delay: 'fault.delay',
  abort: 'fault.abort',
  adaptive: 'limits.adaptive',
  throttle: 'limits.throttle',
  defaultLocalities: 'defaults.localities',
  healthCheck: 'healthChecks[]',
  circuitFallback: 'circuitBreaker.fallback',
  circuitAnswer: 'circuitBreaker.fallback.respond',
  cusum: 'outlierDetection.cusum',
  successRate: 'outlierDetection.successRate',
  failurePercentage: 'outlierDetection.failurePercentage',
  successRateAverage: 'outlierDetection.successRateAverage',
  enforcing: 'outlierDetection.enforcing',
  accessRule: 'inbound.authorization[]',
  source: 'inbound.authorization[].from',
  operation: 'inbound.authorization[].to',
  condition: 'inbound.authorization[].when[]',
  jwt: 'inbound.jwt',
  tokenProvider: 'inbound.jwt.providers[]',
  externalAuthorizer: 'inbound.externalAuthorizers.<name>',
  inboundRateLimit: 'inbound.rateLimit',
  admission: 'inbound.admission',
  cors: 'inbound.cors',
  inboundFault: 'inbound.fault',
  pathNormalization: 'inbound.pathNormalization',
  inboundLimits: 'inbound.limits',
  proxyProtocol: 'inbound.proxyProtocol',
  accessLog: 'inbound.accessLogs[]',
};

const introduction = `<!-- Generated from src/control-plane/file/schema.ts by test/support/generate-reference.ts; edit there. -->
# Configuration

A mesh is configured by a file (\`mesh.yaml\`; JSON is YAML too) or by the same as an object, given to \`createMesh\` as \`controlPlane\`.
Every key is optional unless it says *required*. For completion and checks in an editor, begin the file with
\`# yaml-language-server: $schema=node_modules/meshfetch/schema/mesh.schema.json\`.

- **Services.** The host of a URL names the service: \`http://orders/…\` goes to \`services.orders\`, whatever its port. \`hosts\` adds further
  hosts. A host without a port means every port; one with a port is asked first; then the longest \`*.suffix\`, the longest \`prefix.*\`, \`*\`.
- **Routes.** The first route that matches wins. A request that none matches fails with \`MESH_NO_ROUTE\`.
- **Policies.** The nearest one wins as a whole: a \`retry\` of a route replaces that of its service, which replaces that of \`defaults\`. Inside
  a policy, keys that are left out have the default of the tables below. Only \`requestHeaders\` and \`responseHeaders\` add up.
- **Reload.** The file is watched, and a change is in force for the next request. When it has a mistake the last good configuration stays, and
  \`mesh.status()\` shows the mistake. At start a mistake rejects \`createMesh\`, with all mistakes, their lines and what would be right.
- **Refused** besides what the tables say: unknown keys, keys that are there twice, tags, merge keys (\`<<\`), more than 100 expanded aliases,
  nesting deeper than 32, files larger than 1 MiB, the keys \`__proto__\`, \`constructor\` and \`prototype\`.
- **Files of \`identity\`** are watched too: a rotated certificate gives new connections, and the old ones drain.
`;

/** The page. */
export function configurationPage(file: SchemaNode, sections: Sections, example: string): string {
  const parts = [
    introduction,
    '## Example',
    '',
    '```yaml',
    example.trimEnd(),
    '```',
    '',
    '## The file',
    '',
    table(file, sections, 'file'),
  ];
  for (const [name, schema] of sections) {
    parts.push('', `## \`${heading(name)}\``, '', descriptionOf(schema) ?? '', '', table(schema, sections, name));
  }
  return `${parts.join('\n')}\n`;
}

function heading(name: string): string {
  return headings[name] ?? name;
}

function anchor(name: string): string {
  const text = heading(name)
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '');
  return `#${text.replaceAll(' ', '-')}`;
}

function table(schema: SchemaNode, sections: Sections, section: string): string {
  const rows = Object.entries(schema.entries ?? {}).map(([key, entry]) => {
    const inner = entry.wrapped ?? entry;
    const cells = [
      `\`${key}\``,
      typeText(inner, sections),
      defaultText(key, entry, sections, section),
      descriptionOf(entry) ?? '',
    ];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| key | value | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function descriptionOf(schema: SchemaNode): string | undefined {
  const own = v.getDescription(schema as unknown as v.GenericSchema);
  return own ?? (schema.wrapped === undefined ? undefined : descriptionOf(schema.wrapped));
}

function typeText(schema: SchemaNode, sections: Sections): string {
  const name = [...sections].find(([, section]) => section === schema)?.[0];
  if (name !== undefined) return `[\`${heading(name)}\`](${anchor(name)})`;
  switch (schema.type) {
    case 'exact_optional':
    case 'optional':
      return typeText(schema.wrapped!, sections);
    case 'lazy':
      return typeText(schema.getter!(), sections);
    case 'array':
      return `list, each: ${typeText(schema.item!, sections)}`;
    case 'record':
      return `mapping, each value: ${typeText(schema.value!, sections)}`;
    case 'union':
      return alternatives(schema.options!, sections);
    case 'picklist':
      return (schema as unknown as v.PicklistSchema<readonly string[], undefined>).options
        .map((word) => `\`${word}\``)
        .join(', ');
    case 'strict_object':
      return `mapping: ${Object.entries(schema.entries!)
        .map(([key, entry]) => `\`${key}\` (${typeText(entry.wrapped ?? entry, sections)}${scalarDefault(entry)})`)
        .join(', ')}`;
    default:
      return typeof schema.message === 'string' ? schema.message : schema.type;
  }
}

/** A list stands behind what it is a list of. */
function alternatives(options: readonly SchemaNode[], sections: Sections): string {
  const [lists, others] = [options.filter(({ type }) => type === 'array'), options.filter(({ type }) => type !== 'array')];
  const texts = others.map((option) => typeText(option, sections));
  for (const option of lists) {
    const items = typeText(option.item!, sections);
    texts.push(texts.includes(items) ? 'a list of them' : typeText(option, sections));
  }
  return texts.join(' or ');
}

function scalarDefault(schema: SchemaNode): string {
  const value = (schema as { default?: unknown }).default;
  return value === undefined ? '' : `, default \`${JSON.stringify(value)}\``;
}

function defaultText(key: string, entry: SchemaNode, sections: Sections, section: string): string {
  const value = (entry as { default?: unknown }).default;
  if (value !== undefined) {
    const isSection = typeof value === 'object' && Object.keys(value as object).length === 0;
    return isSection ? 'its defaults' : `\`${JSON.stringify(value)}\``;
  }
  if (entry.type !== 'exact_optional' && entry.type !== 'optional') return '*required*';
  if (section === 'service' && Object.hasOwn(sections.get('defaults')!.entries!, key)) return 'that of `defaults`';
  if (section === 'route' && /^(?:request|response)Headers$/.test(key)) return 'those of the service alone';
  if (section === 'route' && Object.hasOwn(requestPolicies, key)) return 'that of the service';
  return '–';
}
