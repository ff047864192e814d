/** Fields that a resource of Istio may have, read from the notation of the generated table. */

/** What may stand at one place. */
export type FieldTree =
  | { readonly kind: 'value' }
  | { readonly kind: 'anything' }
  | { readonly kind: 'list'; readonly of: FieldTree }
  | { readonly kind: 'map'; readonly of: FieldTree }
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, FieldTree> };

const values: FieldTree = { kind: 'value' };

/** Reads `{a,b[{c}],d<{e}>,f*}`. */
export function fieldTreeFrom(notation: string): FieldTree {
  let at = 0;
  const read = (): FieldTree => {
    const sign = notation[at];
    if (sign === '*') {
      at += 1;
      return { kind: 'anything' };
    }
    if (sign === '[' || sign === '<') {
      at += 1;
      const of = read();
      at += 1; // the sign that ends it
      return sign === '[' ? { kind: 'list', of } : { kind: 'map', of };
    }
    return sign === '{' ? readObject() : values;
  };
  const readObject = (): FieldTree => {
    const fields = new Map<string, FieldTree>();
    do {
      at += 1; // { or ,
      const name = /^\w*/.exec(notation.slice(at, at + 64))![0];
      at += name.length;
      const tree = read();
      if (name !== '') fields.set(name, tree);
    } while (notation[at] === ',');
    at += 1; // }
    return { kind: 'object', fields };
  };
  return read();
}
