import { parseYaml } from '../control-plane/file/parse-yaml.ts';
import { pathText } from '../control-plane/file/file-problem.ts';

/**
 * Resources of Envoy as plain objects: from YAML or JSON text (several documents and lists of resources too, and JSON with trailing
 * commas), or as they are. What a management server answers (`{ resources: […] }`) is its resources. Throws a TypeError for what
 * does not parse.
 */
export function parseResources(resources: string | object | readonly (string | object)[]): readonly object[] {
  if (Array.isArray(resources)) return resources.flatMap((resource: string | object) => parseResources(resource));
  if (typeof resources === 'string') return documentsOf(resources).flatMap((text) => parseResources(parsed(text)));
  if (typeof resources !== 'object' || resources === null)
    throw new TypeError('resources of Envoy are YAML or JSON text, an object, or a list of these');
  const { resources: inner } = resources as { readonly resources?: unknown };
  return Array.isArray(inner) ? parseResources(inner as readonly object[]) : [resources];
}

/** The documents of a YAML text. */
function documentsOf(text: string): readonly string[] {
  return text.split(/^---(?:[ \t].*)?$/m).filter((document) => /^\s*[^\s#]/m.test(document));
}

/** Trailing commas are no JSON and yet YAML, which takes all other JSON too. */
function parsed(text: string): object {
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
