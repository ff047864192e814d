import { nearestName } from '../../base/nearest-name.ts';

const prefix = 'MESHFETCH_';
const known = ['CONFIG', 'BYPASS'] as const;

/** Variables of an environment that nobody reads, each with the one that was probably meant. */
export function misspeltVariables(environment: Readonly<Record<string, unknown>>): readonly { name: string; meant: string }[] {
  const names = Object.keys(environment).filter((name) => name.toUpperCase().startsWith(prefix));
  return names.flatMap((name) => {
    const meant = nearestName(name.slice(prefix.length), known);
    return meant === undefined || name === prefix + meant ? [] : [{ name, meant: prefix + meant }];
  });
}
