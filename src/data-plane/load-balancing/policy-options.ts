import { MeshError } from '../../base/errors.ts';
import type { OptionsSchema } from '../../model/contracts.ts';

type Options = Readonly<Record<string, unknown>> | undefined;

/** Throws when `options` has a key that the policy does not know. */
export function refuseUnknownOptions(options: Options, known: readonly string[], path: string): void {
  for (const key of Object.keys(options ?? {})) {
    if (known.includes(key)) continue;
    const remedy = known.length === 0 ? 'this policy has no options' : `it has ${known.join(', ')}`;
    throw new MeshError('MESH_CONFIG_INVALID', `${path}.${key} is not an option of the policy; ${remedy}`);
  }
}

/** An option that is a number in a range, or its default. Throws with the path and the range. */
export function numberOption(
  options: Options,
  key: string,
  path: string,
  rule: { min: number; max: number; integer: boolean; fallback: number },
): number {
  const value = options?.[key];
  if (value === undefined) return rule.fallback;
  const isInRange = typeof value === 'number' && value >= rule.min && value <= rule.max;
  if (isInRange && (!rule.integer || Number.isInteger(value))) return value;
  const kind = rule.integer ? 'a whole number' : 'a number';
  throw new MeshError(
    'MESH_CONFIG_INVALID',
    `${path}.${key} is ${JSON.stringify(value)}; it must be ${kind} from ${rule.min} to ${rule.max}`,
  );
}

/** An option that is true or false, or its default. */
export function booleanOption(options: Options, key: string, path: string, fallback: boolean): boolean {
  const value = options?.[key];
  if (value === undefined) return fallback;
  if (typeof value === 'boolean') return value;
  throw new MeshError('MESH_CONFIG_INVALID', `${path}.${key} is ${JSON.stringify(value)}; it must be true or false`);
}

/** An option that is one of a few words, or its default, the first of them. */
export function wordOption<W extends string>(options: Options, key: string, path: string, words: readonly [W, ...W[]]): W {
  const value = options?.[key];
  if (value === undefined) return words[0];
  const word = words.find((known) => known === value);
  if (word !== undefined) return word;
  throw new MeshError(
    'MESH_CONFIG_INVALID',
    `${path}.${key} is ${JSON.stringify(value)}; it must be ${words.map((known) => `'${known}'`).join(' or ')}`,
  );
}

/** The schema of a policy that has nothing to set. */
export const noOptions: OptionsSchema<undefined> = {
  parse(options, path) {
    refuseUnknownOptions(options, [], path);
    return undefined;
  },
  fields: [],
};
