/**
 * What the data plane does with each field of the model. Every type has a table with one row per field, so that a field which is
 * added to the model does not compile until somebody says here what becomes of it: nothing that a control plane delivers is dropped
 * in silence. What has no effect shows in `mesh.status().unhonoured`.
 */

/** A field that was received and has no effect. */
export interface Unhonoured {
  readonly path: string;
  readonly reason: string;
}

/**
 * One row: `'honoured'` = carried out; `'shown'` = for the reader only, nothing depends on it; a text = why it has no effect; a
 * function = that depends on the value (undefined = it is carried out), and parts of it may be reported one by one.
 */
export type FieldSupport<T> =
  | 'honoured'
  | 'shown'
  | { readonly reason: string }
  | ((value: T, path: string, report: (field: Unhonoured) => void) => string | undefined);

/** A row for each field of `T`, those that may be absent included. */
export type FieldTable<T> = { readonly [K in keyof T]-?: FieldSupport<Exclude<T[K], undefined>> };

/** The reason of most rows. */
export const notYet = { reason: 'not carried out by this version' } as const;

/** Carried out, except for this value. */
export function except(value: unknown, reason: string = notYet.reason): (actual: unknown) => string | undefined {
  return (actual) => (actual === value ? reason : undefined);
}

/** Carried out for this value alone. */
export function only(value: unknown, reason: string = notYet.reason): (actual: unknown) => string | undefined {
  return (actual) => (actual === value ? undefined : reason);
}

/** The parts of the field have a table of their own. */
export function parts<T extends object>(
  table: FieldTable<T>,
): (value: T, path: string, report: (field: Unhonoured) => void) => undefined {
  return (value, path, report) => {
    reportFields(value, table, path, report);
    return undefined;
  };
}

/** The elements of the field have a table of their own. */
export function each<T extends object>(
  table: FieldTable<T>,
): (values: readonly T[], path: string, report: (field: Unhonoured) => void) => undefined {
  return (values, path, report) => {
    for (const [index, value] of values.entries()) reportFields(value, table, `${path}[${index}]`, report);
    return undefined;
  };
}

/** Reports every field of `value` that has no effect; one that the model does not know is such a field too. */
export function reportFields<T extends object>(
  value: T,
  table: FieldTable<T>,
  path: string,
  report: (field: Unhonoured) => void,
): void {
  for (const key of Object.keys(value) as (keyof T & string)[]) {
    const field = value[key];
    if (field === undefined) continue;
    const at = path === '' ? key : `${path}.${key}`;
    const support: FieldSupport<never> | undefined = Object.hasOwn(table, key) ? table[key] : undefined;
    if (support === undefined) report({ path: at, reason: 'the model has no such field' });
    else if (typeof support === 'function') {
      const reason = support(field as never, at, report);
      if (reason !== undefined) report({ path: at, reason });
    } else if (typeof support === 'object') report({ path: at, reason: support.reason });
  }
}
