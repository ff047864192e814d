/** First value of a query parameter of a path, as it is written; `''` where it has no `=`. Undefined = it is not there. */
export function queryParameter(path: string, name: string): string | undefined {
  let start = path.indexOf('?') + 1;
  if (start === 0) return undefined;
  const fragment = path.indexOf('#', start);
  const end = fragment === -1 ? path.length : fragment;
  while (start < end) {
    const next = path.indexOf('&', start);
    const stop = next === -1 || next > end ? end : next;
    if (path.startsWith(name, start)) {
      const after = start + name.length;
      if (after === stop) return '';
      if (after < stop && path.charCodeAt(after) === 61) return path.slice(after + 1, stop);
    }
    start = stop + 1;
  }
  return undefined;
}
