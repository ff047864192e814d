/** Resources of Envoy out of texts: of files that somebody wrote, and of what tools print about a running proxy. */
import { parseYaml } from '../file/parse-yaml.ts';
import { pathText } from '../file/file-problem.ts';

/**
 * Resources of Envoy as plain objects: from YAML or JSON text (several documents and lists of resources too, and JSON with trailing
 * commas), or as they are. What a management server answers (`{ resources: […] }`) is its resources, and what a proxy says about itself
 * (`/config_dump` of its admin interface, `istioctl proxy-config all -o json`) is what it runs on. Throws a TypeError for what does not
 * parse.
 */
export function parseResources(resources: string | object | readonly (string | object)[]): readonly object[] {
  if (Array.isArray(resources)) return resources.flatMap((resource: string | object) => parseResources(resource));
  if (typeof resources === 'string') return documentsOf(resources).flatMap((text) => parseResources(parsedDocument(text)));
  if (typeof resources !== 'object' || resources === null)
    throw new TypeError('resources of Envoy are YAML or JSON text, an object, or a list of these');
  const { resources: inner, configs } = resources as { readonly resources?: unknown; readonly configs?: unknown };
  if (Array.isArray(configs) && !Array.isArray(inner)) return configs.flatMap((config: unknown) => dumpedResources(config));
  return Array.isArray(inner) ? parseResources(inner as readonly object[]) : [resources];
}

/** The documents of a YAML text. */
export function documentsOf(text: string): readonly string[] {
  return text.split(/^---(?:[ \t].*)?$/m).filter((document) => /^\s*[^\s#]/m.test(document));
}

/** One document, JSON or YAML. Trailing commas are no JSON and yet YAML, which takes all other JSON too. */
export function parsedDocument(text: string): object {
  try {
    return asObject(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const { value, syntax, problems } = parseYaml(text);
  const mistakes = [
    ...syntax.map(({ line, column, reason }) => `line ${line}, column ${column}: ${reason}`),
    ...problems.map(({ path, reason }) => `${pathText(path)}: ${reason}`),
  ];
  if (mistakes.length > 0) throw new TypeError(`the text is neither YAML nor JSON\n  ${mistakes.join('\n  ')}`);
  return asObject(value);
}

function asObject(value: unknown): object {
  if (typeof value === 'object' && value !== null) return value;
  throw new TypeError(`the text is ${JSON.stringify(value)?.slice(0, 80) ?? 'empty'} and no resource of Envoy`);
}

/** The lists of a config dump, and under which field each of their elements has its resource. Those that warm or failed are left out. */
const dumped: readonly (readonly [list: string, ...field: readonly string[]])[] = [
  ['static_listeners', 'listener'],
  ['dynamic_listeners', 'active_state', 'listener'],
  ['static_clusters', 'cluster'],
  ['dynamic_active_clusters', 'cluster'],
  ['dynamic_route_configs', 'route_config'],
  ['static_endpoint_configs', 'endpoint_config'],
  ['dynamic_endpoint_configs', 'endpoint_config'],
  ['ecds_filters', 'ecds_filter'],
];

/**
 * Route tables that stand in listeners are dumped once more by themselves, and secrets without their keys: both are where they belong,
 * and so is the bootstrap, whose static resources are in their own dumps.
 */
function dumpedResources(config: unknown): readonly object[] {
  return dumped.flatMap(([list, ...path]) => {
    const entries = fieldOf(config, list);
    if (!Array.isArray(entries)) return [];
    return entries.flatMap((entry: unknown) => {
      const resource = path.reduce<unknown>(fieldOf, entry);
      return typeof resource === 'object' && resource !== null ? [resource] : [];
    });
  });
}

/** In both spellings. */
function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  return fields[name] ?? fields[name.replaceAll(/_(\w)/g, (_match, letter: string) => letter.toUpperCase())];
}
