import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileClaim } from '../../../../src/data-plane/inbound/claim-test.ts';
import type { ClaimMatcher } from '../../../../src/model/authorization.ts';
import type { VerifiedToken } from '../../../../src/model/inbound.ts';
import { inboundRequest } from '../../../support/access-request.ts';

const admin: ClaimMatcher['match'] = { kind: 'exact', value: 'admin' };

function token(claims: object, provider = 'google'): VerifiedToken {
  return { provider, audiences: [], claims: claims as VerifiedToken['claims'] };
}

function isMet(matcher: Omit<ClaimMatcher, 'kind'>, ...tokens: readonly VerifiedToken[]): boolean {
  return compileClaim({ kind: 'claim', ...matcher })(inboundRequest({ tokens }).access);
}

describe('a rule about a claim', () => {
  for (const { name, matcher, claims, met } of [
    { name: 'text', matcher: { match: admin }, claims: { role: 'admin' }, met: true },
    { name: 'other-text', matcher: { match: admin }, claims: { role: 'user' }, met: false },
    { name: 'missing', matcher: { match: admin }, claims: {}, met: false },
    { name: 'number-that-reads-so', matcher: { match: { kind: 'exact', value: '7' } }, claims: { role: 7 }, met: false },
    { name: 'one-of-a-list', matcher: { match: admin }, claims: { role: ['user', 'admin'] }, met: true },
    { name: 'list-where-none-may-be', matcher: { match: admin, elements: 'never' }, claims: { role: ['admin'] }, met: false },
    { name: 'text-where-lists-must-be', matcher: { match: admin, elements: 'only' }, claims: { role: 'admin' }, met: false },
    { name: 'list-where-lists-must-be', matcher: { match: admin, elements: 'only' }, claims: { role: ['admin'] }, met: true },
    { name: 'list-in-a-list', matcher: { match: admin }, claims: { role: [['admin']] }, met: false },
    { name: 'there', matcher: { match: { kind: 'present' } }, claims: { role: [] }, met: true },
    { name: 'there-as-null', matcher: { match: { kind: 'present' } }, claims: { role: null }, met: true },
    {
      name: 'value-of-a-list-that-is-empty',
      matcher: { match: { kind: 'present' }, elements: 'only' },
      claims: { role: [] },
      met: false,
    },
    { name: 'flag', matcher: { match: { kind: 'bool', value: true } }, claims: { role: true }, met: true },
    { name: 'flag-as-text', matcher: { match: { kind: 'bool', value: true } }, claims: { role: 'true' }, met: false },
    { name: 'number', matcher: { match: { kind: 'range', start: 1, end: 3 } }, claims: { role: 2.5 }, met: true },
    { name: 'number-at-the-end', matcher: { match: { kind: 'range', start: 1, end: 3 } }, claims: { role: 3 }, met: false },
    { name: 'nested', matcher: { path: ['role', 'name'], match: admin }, claims: { role: { name: 'admin' } }, met: true },
    { name: 'nested-in-a-list', matcher: { path: ['role', '0'], match: admin }, claims: { role: ['admin'] }, met: false },
    { name: 'inherited', matcher: { path: ['constructor', 'name'], match: { kind: 'present' } }, claims: {}, met: false },
    {
      name: 'length-of-a-text',
      matcher: { path: ['role', 'length'], match: { kind: 'present' } },
      claims: { role: 'admin' },
      met: false,
    },
  ] as readonly {
    name: string;
    matcher: Omit<ClaimMatcher, 'kind' | 'path'> & { path?: readonly string[] };
    claims: object;
    met: boolean;
  }[]) {
    it(`is ${met ? '' : 'not '}met: ${name}`, () => {
      assert.equal(isMet({ path: ['role'], ...matcher }, token(claims)), met);
    });
  }

  it('is met by one token of several, of its provider where it names one', () => {
    const tokens = [token({ role: 'user' }, 'google'), token({ role: 'admin' }, 'corporate')];
    assert.equal(isMet({ path: ['role'], match: admin }, ...tokens), true);
    assert.equal(isMet({ path: ['role'], match: admin, provider: 'google' }, ...tokens), false);
    assert.equal(isMet({ path: ['role'], match: admin, provider: 'corporate' }, ...tokens), true);
  });

  it('is not met without tokens', () => {
    assert.equal(isMet({ path: ['role'], match: { kind: 'present' } }), false);
  });
});
