/**
 * What each key of an object must be named, with `true` for every one there is: so that none can be forgotten.
 * `Keys<Options>` lists those of `Options`.
 */
export type Keys<T> = Readonly<Record<keyof T, true>>;

/** Throws a TypeError for what is no object, or has a key that nobody reads: a test that says so could not fail. */
export function checkKeys(what: string, given: unknown, known: Readonly<Record<string, true>>): void {
  if (typeof given !== 'object' || given === null) throw new TypeError(`${what} must be an object, not ${String(given)}`);
  for (const key of Object.keys(given))
    if (!Object.hasOwn(known, key)) throw new TypeError(`${what} has no "${key}"; known are ${Object.keys(known).join(', ')}`);
}
