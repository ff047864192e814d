/**
 * What is wrong with the text that takes the place of a match, or undefined. `\0` … `\9` are groups and two backslashes are one;
 * RE2 leaves the text as it was for anything else, so that the rewrite would never happen. Source: RE2 `CheckRewriteString`.
 */
export function substitutionFault(substitution: string, groupCount: number): string | undefined {
  for (const [reference, next = ''] of substitution.matchAll(/\\(.?)/gs)) {
    if (next === '\\') continue;
    if (!/^\d$/.test(next)) return `${reference} is no reference; write \\0 … \\9 for a group, \\\\ for a backslash`;
    if (Number(next) > groupCount)
      return `${reference} is a group that the pattern does not have; it has ${groupCount === 0 ? 'none' : groupCount}`;
  }
  return undefined;
}
