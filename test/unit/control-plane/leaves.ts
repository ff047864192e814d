/** The way to a value. */
export type Steps = readonly (string | number)[];

/** Every value that is no list and no mapping, with the way to it. */
export function* leaves(value: unknown, steps: Steps = []): Generator<Steps> {
  if (typeof value !== 'object' || value === null) yield steps;
  else for (const [key, item] of Object.entries(value)) yield* leaves(item, [...steps, Array.isArray(value) ? Number(key) : key]);
}

/** A copy with another value at the end of the steps. */
export function withOther(value: unknown, [step, ...rest]: Steps): unknown {
  if (step === undefined) return typeof value === 'object' ? 7 : typeof value === 'string' ? { other: 1 } : 'other';
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[step] = withOther(copy[step], rest);
  return copy;
}
