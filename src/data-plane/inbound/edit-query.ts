/** Takes parameters out of the query of a path and sets others, leaving the rest as it is written. Names are compared as they are written. */
export function editQuery(
  path: string,
  remove: readonly string[],
  set: readonly (readonly [name: string, value: string])[],
): string {
  const mark = path.indexOf('?');
  const plain = mark === -1 ? path : path.slice(0, mark);
  const parts = mark === -1 ? [] : path.slice(mark + 1).split('&');
  const gone = new Set([...remove, ...set.map(([name]) => name)]);
  const kept = parts.filter((part) => part !== '' && !gone.has(nameOf(part)));
  const added = set.map(
    ([name, value]) => `${encodeURIComponent(name.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`,
  );
  const query = [...kept, ...added].join('&');
  return query === '' ? plain : `${plain}?${query}`;
}

function nameOf(part: string): string {
  const equals = part.indexOf('=');
  return equals === -1 ? part : part.slice(0, equals);
}
