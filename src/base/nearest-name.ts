/**
 * The known name that the reader most likely meant, or undefined. Case, `-` and `_` do not count (`max_attempts`); beyond that two
 * names are near when at most 40 % of the letters differ (Levenshtein).
 */
export function nearestName(unknown: string, known: readonly string[]): string | undefined {
  if (unknown.length > maxNameLength) return undefined;
  const wanted = folded(unknown);
  let best: string | undefined;
  let bestDistance = Math.round(wanted.length * 0.4) + 1;
  for (const name of known.slice(0, maxCompared)) {
    const distance = levenshtein(wanted, folded(name), bestDistance);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/**
 * What to write in place of an unknown name: `did you mean "retry"? (known here: …)`, for the end of a message. Of more than 20
 * names the first 10 are listed.
 */
export function suggestion(unknown: string, known: readonly string[]): string {
  const near = nearestName(unknown, known);
  const rest = known.length - maxListed;
  const listed = known.length <= 2 * maxListed ? known.join(', ') : `${known.slice(0, maxListed).join(', ')} and ${rest} more`;
  const all = known.length === 0 ? 'none are known here' : `known here: ${listed}`;
  return near === undefined ? all : `did you mean ${JSON.stringify(near)}? (${all})`;
}

/** Longer names are not compared: the work is quadratic, and nobody mistypes a key of this length. */
const maxNameLength = 64;

/** Of very many names only so many are compared; a file with a hundred mistakes is checked on the event loop. */
const maxCompared = 1000;

const maxListed = 10;

function folded(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

/** Insertions, deletions and replacements that make `a` into `b`; `limit` when it is not less than that. */
function levenshtein(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, row[j]! + 1, next[j - 1]! + 1));
    }
    if (Math.min(...next) >= limit) return limit;
    row = next;
  }
  return Math.min(row[b.length]!, limit);
}
