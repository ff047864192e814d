/** Fields that a resource of Istio may have, read from the notation of the generated table. */
import { istioEnums, istioPatterns } from './istio-fields.ts';

/** Bounds of a number, of the length of a text, or of that of a list; undefined = none. */
export interface Bounds {
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** What a value has to be. */
export type ValueType =
  | ({ readonly kind: 'text' | 'whole' | 'number' } & Bounds)
  | { readonly kind: 'boolean' | 'duration' | 'bytes' }
  | { readonly kind: 'word'; readonly words: readonly string[] }
  | { readonly kind: 'pattern'; readonly pattern: string };

/** What may stand at one place. */
export type FieldTree =
  | { readonly kind: 'value'; readonly type: ValueType; readonly isNullable: boolean }
  | { readonly kind: 'anything' }
  | { readonly kind: 'list'; readonly of: FieldTree; readonly length: Bounds }
  | { readonly kind: 'map'; readonly of: FieldTree }
  | {
      readonly kind: 'object';
      readonly fields: ReadonlyMap<string, FieldTree>;
      readonly required: readonly string[];
      /** Of each of these lists one field may be there at most. */
      readonly oneOf: readonly (readonly string[])[];
    };

/** Reads the notation that the head of istio-fields.ts tells. */
export function fieldTreeFrom(notation: string): FieldTree {
  return new Reader(notation).tree();
}

class Reader {
  private readonly notation: string;
  private at = 0;

  constructor(notation: string) {
    this.notation = notation;
  }

  tree(): FieldTree {
    switch (this.notation[this.at]) {
      case '*':
        this.at += 1;
        return { kind: 'anything' };
      case '[': {
        const of = this.inner();
        return { kind: 'list', of, length: this.bounds() };
      }
      case '<':
        return { kind: 'map', of: this.inner() };
      case '{':
        return this.object();
      default: {
        const type = this.valueType();
        return { kind: 'value', type, isNullable: this.take(/\??/y) === '?' };
      }
    }
  }

  /** What stands between two signs. */
  private inner(): FieldTree {
    this.at += 1;
    const of = this.tree();
    this.at += 1;
    return of;
  }

  private object(): FieldTree {
    const fields = new Map<string, FieldTree>();
    const required: string[] = [];
    const oneOf: (readonly string[])[] = [];
    do {
      this.at += 1; // { or ,
      const name = this.take(/\w*/y);
      if (this.take(/!?/y) === '!') required.push(name);
      const tree = this.tree();
      if (name !== '') fields.set(name, tree);
    } while (this.notation[this.at] === ',');
    while (this.notation[this.at] === '|')
      oneOf.push(
        this.take(/\|[\w ]+/y)
          .slice(1)
          .split(' '),
      );
    this.at += 1; // }
    return { kind: 'object', fields, required, oneOf };
  }

  private valueType(): ValueType {
    const code = this.take(/(?::\w)?/y);
    switch (code) {
      case ':b':
        return { kind: 'boolean' };
      case ':D':
        return { kind: 'duration' };
      case ':y':
        return { kind: 'bytes' };
      case ':e':
        return { kind: 'word', words: istioEnums[Number(this.take(/\d+/y))]!.split(' ') };
      case ':p':
        return { kind: 'pattern', pattern: istioPatterns[Number(this.take(/\d+/y))]! };
      case ':I':
        return { kind: 'whole', min: -2_147_483_648, max: 2_147_483_647 };
      case ':i':
        return { kind: 'whole', ...this.bounds() };
      case ':n':
        return { kind: 'number', ...this.bounds() };
      default:
        return { kind: 'text', ...(code === ':s' ? this.bounds() : unbounded) };
    }
  }

  private bounds(): Bounds {
    const text = this.take(/(?:\d*\.\.\d*)?/y);
    if (text === '') return unbounded;
    const [min, max] = text.split('..').map((part) => (part === '' ? undefined : Number(part)));
    return { min, max };
  }

  private take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const text = pattern.exec(this.notation)?.[0] ?? '';
    this.at += text.length;
    return text;
  }
}

const unbounded: Bounds = { min: undefined, max: undefined };
