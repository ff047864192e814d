import type { Problem } from '../../../model/contracts.ts';

/**
 * The problems, each once: what a thousand resources of a kind have in common (the access log of every listener) is one line, at the
 * first of them, that says at how many others it is.
 */
export function toldOnce(problems: Iterable<Problem>): readonly Problem[] {
  const groups = new Map<string, { readonly first: Problem; readonly names: Set<string> }>();
  for (const problem of problems) {
    const { key, path, reason } = problem;
    const text = `${key.kind}\n${path}\n${reason}`;
    const known = groups.get(text);
    if (known === undefined) groups.set(text, { first: problem, names: new Set([key.name]) });
    else known.names.add(key.name);
  }
  return [...groups.values()].map(({ first, names }) =>
    names.size === 1 ? first : { ...first, reason: `${first.reason} (here and at ${names.size - 1} others)` },
  );
}
