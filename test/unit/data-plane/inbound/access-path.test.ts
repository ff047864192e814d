import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { compileAccessPath } from '../../../../src/data-plane/inbound/access-path.ts';
import type { AccessRequest, PathSpelling } from '../../../../src/data-plane/inbound/access-request.ts';
import type { PathMatcher, StringMatcher } from '../../../../src/model/match.ts';

const asWritten = undefined;
const anyCase = { ignoresCase: true, ignoresSlash: false };
const anySlash = { ignoresCase: false, ignoresSlash: true };
const both = { ignoresCase: true, ignoresSlash: true };

interface Row {
  readonly name: string;
  readonly match: PathMatcher | StringMatcher;
  readonly path: string;
  readonly spelling: PathSpelling | undefined;
  readonly isMet: boolean;
}

const exact = { kind: 'exact', value: '/admin' } as const;
const rows: readonly Row[] = [
  { name: 'exact-as-written', match: exact, path: '/admin', spelling: asWritten, isMet: true },
  { name: 'exact-other-case-is-another-path', match: exact, path: '/ADMIN', spelling: asWritten, isMet: false },
  { name: 'exact-other-case-is-the-same', match: exact, path: '/ADMIN', spelling: anyCase, isMet: true },
  { name: 'exact-rule-in-capitals', match: { kind: 'exact', value: '/Admin' }, path: '/aDMIN', spelling: anyCase, isMet: true },
  { name: 'exact-slash-is-another-path', match: exact, path: '/admin/', spelling: anyCase, isMet: false },
  { name: 'exact-slash-is-the-same', match: exact, path: '/admin/', spelling: anySlash, isMet: true },
  {
    name: 'exact-rule-with-a-slash',
    match: { kind: 'exact', value: '/admin/' },
    path: '/admin',
    spelling: anySlash,
    isMet: true,
  },
  { name: 'exact-both', match: exact, path: '/Admin/', spelling: both, isMet: true },
  { name: 'exact-longer-path', match: exact, path: '/admin/x', spelling: both, isMet: false },
  { name: 'prefix-with-a-slash', match: { kind: 'prefix', value: '/admin/' }, path: '/ADMIN', spelling: both, isMet: true },
  { name: 'suffix-before-a-slash', match: { kind: 'suffix', value: '/secret' }, path: '/x/secret/', spelling: both, isMet: true },
  { name: 'pattern-in-any-case', match: { kind: 'regex', value: '/adm.n|/root' }, path: '/ROOT', spelling: anyCase, isMet: true },
  {
    name: 'pattern-is-still-whole',
    match: { kind: 'regex', value: '/adm.n|/root' },
    path: '/x/ROOT',
    spelling: anyCase,
    isMet: false,
  },
  { name: 'pattern-with-a-slash', match: { kind: 'regex', value: '/adm.n/' }, path: '/admin', spelling: anySlash, isMet: true },
  {
    name: 'template-in-any-case',
    match: { kind: 'template', value: '/users/{id}' },
    path: '/Users/7/',
    spelling: both,
    isMet: true,
  },
  {
    name: 'segments-in-any-case',
    match: { kind: 'segment-prefix', value: '/admin' },
    path: '/ADMIN/x',
    spelling: both,
    isMet: true,
  },
  { name: 'root-has-no-other-spelling', match: { kind: 'exact', value: '/' }, path: '/', spelling: both, isMet: true },
  { name: 'no-path', match: { kind: 'prefix', value: '' }, path: '', spelling: both, isMet: false },
];

describe('a condition on the path', () => {
  before(loadPatternEngine);
  for (const { name, match, path, spelling, isMet } of rows)
    it(name, () => {
      const request = { pathOnly: path, pathSpelling: spelling } as AccessRequest;
      assert.equal(compileAccessPath(match)(request), isMet);
    });

  const seen = { ignoresCase: false, ignoresSlash: false, ignoresEscapes: true };
  const escapes = [
    { name: 'escape-in-the-path', match: { kind: 'exact', value: '/items:delete' }, path: '/items%3Adelete' },
    { name: 'escape-in-the-rule', match: { kind: 'exact', value: '/items%3adelete' }, path: '/items:delete' },
    { name: 'digits-in-another-case', match: { kind: 'exact', value: '/caf%C3%A9' }, path: '/caf%c3%a9' },
    { name: 'escape-before-a-template', match: { kind: 'template', value: '/root@corp/{id}' }, path: '/root%40corp/7' },
    { name: 'escape-that-a-pattern-names', match: { kind: 'regex', value: '/a%3A.*' }, path: '/a%3Ab' },
  ] as const;
  for (const { name, match, path } of escapes)
    it(`that refuses sees through escapes that no path needs: ${name}`, () => {
      const refused = compileAccessPath(match, true);
      const letIn = compileAccessPath(match);
      const request = { pathOnly: path, refusingSpelling: seen } as AccessRequest;
      assert.equal(refused(request), true);
      assert.equal(letIn(request), match.kind === 'regex', 'one that lets in is compared as it is written');
      assert.equal(letIn({ pathOnly: path, pathSpelling: seen } as AccessRequest), true);
    });

  it('that refuses is met in its own case where the pattern leaves letters out', () => {
    const test = compileAccessPath({ kind: 'regex', value: '/[^a]dmin' }, true);
    assert.equal(test({ pathOnly: '/Admin', refusingSpelling: both } as AccessRequest), true);
  });

  it('refuses to be evaluated where its pattern has no room for another form', () => {
    const test = compileAccessPath({ kind: 'regex', value: `/[a${'é'.repeat(510)}]` });
    assert.throws(() => test({ pathOnly: '/x', pathSpelling: anyCase } as AccessRequest));
  });
});
