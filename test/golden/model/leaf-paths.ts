/**
 * The fields of a document as paths without positions: `routes[].match.prefix`. Below a path in `maps` the keys are names that the
 * user chose, and stand as `*`. An empty object or list is a field too: its presence often means something.
 */
export function leafPaths(document: unknown, maps: readonly string[]): ReadonlySet<string> {
  const paths = new Set<string>();
  walk(document, '');
  return paths;

  function walk(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) {
      paths.add(path);
      return;
    }
    if (Array.isArray(value)) {
      for (const element of value) walk(element, `${path}[]`);
      return;
    }
    for (const [key, child] of Object.entries(value)) walk(child, join(path, maps.includes(path) ? '*' : key));
  }
}

function join(path: string, key: string): string {
  const step = /^[\w$@*-]+$/.test(key) ? key : `["${key}"]`;
  if (path === '' || step.startsWith('[')) return `${path}${step}`;
  return `${path}.${step}`;
}
