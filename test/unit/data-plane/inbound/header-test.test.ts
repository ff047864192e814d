/** T-HDR in access rules: every value counts, and no spelling or further value of a header talks a rule out of denying. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { compileAuthorizer } from '../../../../src/data-plane/inbound/authorizer.ts';
import type { Permission } from '../../../../src/model/authorization.ts';
import type { ValueMatcher } from '../../../../src/model/match.ts';
import { inboundRequest } from '../../../support/access-request.ts';
import { policyOf } from '../../../support/inbound.ts';

type Headers = readonly (readonly [string, string])[];

const admin = exact('x-role', 'admin');
const notAdmin: ValueMatcher = { ...admin, invert: true };

function exact(name: string, value: string): ValueMatcher {
  return { name, match: { kind: 'exact', value } };
}

function verdict(action: 'allow' | 'deny', permission: Permission, headers: Headers, protocol: 'http/1.1' | 'h2' = 'http/1.1') {
  const { access } = inboundRequest({ headers, connection: { protocol } });
  return compileAuthorizer([policyOf(action, [permission])]).check(access).kind;
}

describe('T-HDR: a rule about a header', () => {
  before(loadPatternEngine);

  // What Envoy 1.40 was seen to answer, but for the rows that are said to be stricter.
  for (const { name, header, headers, allow, deny } of [
    { name: 'only-value', header: admin, headers: [['x-role', 'admin']], allow: true, deny: true },
    { name: 'name-in-another-case', header: admin, headers: [['X-ROLE', 'admin']], allow: true, deny: true },
    { name: 'rule-in-another-case', header: exact('X-Role', 'admin'), headers: [['x-role', 'admin']], allow: true, deny: true },
    { name: 'value-in-another-case', header: admin, headers: [['x-role', 'Admin']], allow: false, deny: false },
    {
      name: 'second-of-two',
      header: admin,
      headers: [
        ['x-role', 'user'],
        ['X-Role', 'admin'],
      ],
      allow: true,
      deny: true,
    },
    {
      name: 'first-of-two',
      header: admin,
      headers: [
        ['x-role', 'admin'],
        ['X-Role', 'user'],
      ],
      allow: true,
      deny: true,
    },
    { name: 'one-line-with-a-comma', header: admin, headers: [['x-role', 'user,admin']], allow: false, deny: false },
    { name: 'missing', header: admin, headers: [], allow: false, deny: false },
    { name: 'empty', header: admin, headers: [['x-role', '']], allow: false, deny: false },
    { name: 'not-missing', header: notAdmin, headers: [], allow: false, deny: false },
    { name: 'not-missing-as-empty', header: { ...notAdmin, whenMissing: 'empty' }, headers: [], allow: true, deny: true },
    { name: 'not-another', header: notAdmin, headers: [['x-role', 'user']], allow: true, deny: true },
    { name: 'not-the-same', header: notAdmin, headers: [['x-role', 'admin']], allow: false, deny: false },
    {
      name: 'stricter: not-one-of-two',
      header: notAdmin,
      headers: [
        ['x-role', 'user'],
        ['x-role', 'admin'],
      ],
      allow: false,
      deny: true,
    },
    {
      name: 'stricter: two-lines-of-one-list',
      header: exact('x-role', 'user,admin'),
      headers: [
        ['x-role', 'user'],
        ['x-role', 'admin'],
      ],
      allow: false,
      deny: true,
    },
    {
      name: 'stricter: two-lines-of-a-spaced-list',
      header: exact('x-role', 'user, admin'),
      headers: [
        ['x-role', 'user'],
        ['x-role', 'admin'],
      ],
      allow: false,
      deny: true,
    },
    {
      name: 'stricter: two-lines-of-cookies',
      header: exact('cookie', 'a=1; b=2'),
      headers: [
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
      ],
      allow: false,
      deny: true,
    },
    {
      name: 'one-of-two-lines-of-cookies',
      header: exact('cookie', 'a=1'),
      headers: [
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
      ],
      allow: true,
      deny: true,
    },
    {
      name: 'header-that-stands-once',
      header: exact('accept', 'a,b'),
      headers: [
        ['accept', 'a'],
        ['accept', ''],
        ['accept', 'b'],
      ],
      allow: true,
      deny: true,
    },
    {
      name: 'stricter: part-of-a-header-that-stands-once',
      header: exact('accept', 'a'),
      headers: [
        ['accept', 'a'],
        ['accept', 'b'],
      ],
      allow: false,
      deny: true,
    },
    { name: 'there', header: { name: 'x-role', match: { kind: 'present' } }, headers: [['x-role', '']], allow: true, deny: true },
    {
      name: 'not-there',
      header: { name: 'x-role', match: { kind: 'present' }, invert: true },
      headers: [],
      allow: true,
      deny: true,
    },
    {
      name: 'range-of-one',
      header: { name: 'x-n', match: { kind: 'range', start: 1, end: 10 } },
      headers: [
        ['x-n', '50'],
        ['x-n', '5'],
      ],
      allow: true,
      deny: true,
    },
    {
      name: 'pattern-of-all-of-it',
      header: { name: 'x-role', match: { kind: 'regex', value: 'adm' } },
      headers: [['x-role', 'admin']],
      allow: false,
      deny: false,
    },
    {
      name: 'hop-by-hop',
      header: { name: 'connection', match: { kind: 'present' } },
      headers: [['connection', 'x']],
      allow: false,
      deny: true,
    },
    {
      name: 'te-trailers',
      header: { name: 'te', match: { kind: 'present' } },
      headers: [['te', 'trailers']],
      allow: true,
      deny: true,
    },
    {
      name: 'te-otherwise',
      header: { name: 'te', match: { kind: 'present' } },
      headers: [['te', 'gzip']],
      allow: false,
      deny: false,
    },
  ] as readonly { name: string; header: ValueMatcher; headers: Headers; allow: boolean; deny: boolean }[]) {
    it(`sees what there is: ${name}`, () => {
      const permission: Permission = { kind: 'header', header };
      assert.equal(verdict('allow', permission, headers), allow ? 'allowed' : 'denied', 'a rule that allows');
      assert.equal(verdict('deny', permission, headers), deny ? 'denied' : 'allowed', 'a rule that denies');
    });
  }

  it('is not met under a negation by one value of two, where it denies', () => {
    const permission: Permission = { kind: 'not', of: { kind: 'header', header: admin } };
    const both: Headers = [
      ['x-role', 'user'],
      ['x-role', 'admin'],
    ];
    assert.equal(verdict('deny', permission, both), 'denied');
    assert.equal(
      verdict('deny', permission, [
        ['x-role', 'admin'],
        ['x-role', 'admin'],
      ]),
      'allowed',
    );
    // Here one value is enough to keep the request out, as in Envoy.
    assert.equal(verdict('allow', permission, both), 'denied');
  });

  it('sees the cookies of HTTP/2 as the one header that they are', () => {
    const permission: Permission = { kind: 'header', header: exact('cookie', 'a=1; b=2') };
    const apart: Headers = [
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
    ];
    assert.equal(verdict('allow', permission, apart, 'h2'), 'allowed');
    assert.equal(verdict('allow', permission, apart), 'denied');
  });
});
