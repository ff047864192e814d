import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PathSpelling } from '../../../../src/data-plane/inbound/access-request.ts';
import { pathSpellings, type RouterOptions } from '../../../../src/data-plane/inbound/path-spelling.ts';

const envoy = { normalize: true, mergeSlashes: true, escapedSlashes: 'keep' } as const;

function shown(spelling: PathSpelling | undefined): string {
  if (spelling === undefined) return 'as-written';
  const { ignoresCase, ignoresSlash, ignoresEscapes } = spelling;
  return [ignoresCase && 'case', ignoresSlash && 'slash', ignoresEscapes === true && 'escapes'].filter(Boolean).join(' ');
}

describe('spellings of a path that are one', () => {
  const said = { ignorePathCase: true, ignoreTrailingSlash: true };
  const denied = { ignorePathCase: false, ignoreTrailingSlash: false };
  const rows: readonly {
    readonly name: string;
    readonly of: Parameters<typeof pathSpellings>[0];
    readonly options: RouterOptions;
    readonly all: string;
    readonly refusing: string;
  }[] = [
    { name: 'own-rules', of: undefined, options: {}, all: 'escapes', refusing: 'case slash escapes' },
    { name: 'own-rules-changed', of: { ...envoy, isStrict: true }, options: {}, all: 'escapes', refusing: 'case slash escapes' },
    { name: 'own-rules-loose-router', of: undefined, options: said, all: 'case slash escapes', refusing: 'case slash escapes' },
    { name: 'own-rules-strict-router', of: undefined, options: denied, all: 'escapes', refusing: 'escapes' },
    { name: 'of-a-source', of: envoy, options: {}, all: 'as-written', refusing: 'escapes' },
    {
      name: 'of-a-source-that-wants-paths-as-they-are',
      of: { ...envoy, normalize: false },
      options: {},
      all: 'as-written',
      refusing: '',
    },
    { name: 'of-a-source-loose-router', of: envoy, options: said, all: 'case slash', refusing: 'case slash escapes' },
  ];
  for (const { name, of, options, all, refusing } of rows)
    it(name, () => {
      const { pathSpelling, refusingSpelling } = pathSpellings(of, options);
      assert.deepEqual([shown(pathSpelling), shown(refusingSpelling)], [all, refusing]);
    });
});
