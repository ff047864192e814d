/** One row of a `notes.md`. */
export interface NoteRow {
  /** Whole path of the field in the input; `.**` at the end = everything below. */
  readonly input: string;
  /** Places in the model, `kind: path`. */
  readonly model: readonly string[];
  /** Why there is no place in the model. */
  readonly standing: 'by nature' | 'reported' | undefined;
}

/**
 * Reads the tables of a `notes.md`. A heading ``## `in` → `kind: path` `` gives the paths of the rows below it their beginning; a
 * line ``Maps: `a`, `b` `` names the objects of the input whose keys are names.
 */
export function parseNotes(text: string): { readonly rows: readonly NoteRow[]; readonly maps: readonly string[] } {
  const rows: NoteRow[] = [];
  const maps: string[] = [];
  let inputPrefix = '';
  let modelPrefix = '';
  for (const line of text.split('\n')) {
    const heading = /^## `([^`]*)` → `([^`]*)`/.exec(line);
    if (heading !== null) [, inputPrefix = '', modelPrefix = ''] = heading;
    if (line.startsWith('Maps:')) maps.push(...quoted(line));
    const [input = '', model = ''] = line.startsWith('| `') ? line.split('|').slice(1) : [];
    const [path] = quoted(input);
    if (path === undefined) continue;
    rows.push({
      input: joined(inputPrefix, path),
      model: quoted(model).map((place) => (/^[a-z-]+: /.test(place) ? place : joined(modelPrefix, place))),
      standing: /^ (by nature|reported)\b/.exec(model)?.[1] as NoteRow['standing'],
    });
  }
  return { rows, maps };
}

function quoted(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, inside]) => inside!);
}

function joined(prefix: string, path: string): string {
  return prefix === '' || prefix.endsWith(' ') || path.startsWith('[') ? `${prefix}${path}` : `${prefix}.${path}`;
}
