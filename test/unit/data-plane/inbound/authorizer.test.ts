/** T-AUTHZ: DENY before CUSTOM before ALLOW, and nothing fails open. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { accessDetails, compileAuthorizer, type AccessReport } from '../../../../src/data-plane/inbound/authorizer.ts';
import type { AuthorizationPolicyConfig, Permission, Principal } from '../../../../src/model/authorization.ts';
import { policyOf } from '../../../support/inbound.ts';
import { inboundRequest, type RequestParts } from '../../../support/access-request.ts';

const admin: Permission = { kind: 'path', match: { kind: 'exact', value: '/admin' } };
const any: Permission = { kind: 'any' };
/** Of a newer model: nothing here knows what it means. */
const unknown = { kind: 'moon-phase', match: 'full' } as unknown as Permission;
const broken: Permission = { kind: 'path', match: { kind: 'regex', value: '(' } };

const role = (value: string): Permission => ({ kind: 'header', header: { name: 'x-role', match: { kind: 'exact', value } } });

function verdictOf(policies: readonly AuthorizationPolicyConfig[], parts: RequestParts = {}) {
  return compileAuthorizer(policies).check(inboundRequest(parts).access);
}

function isAllowed(policies: readonly AuthorizationPolicyConfig[], parts: RequestParts = {}): boolean {
  return verdictOf(policies, parts).kind === 'allowed';
}

describe('T-AUTHZ: an authorizer', () => {
  before(loadPatternEngine);

  it('denies before it allows, and says by which rule in the words of Envoy', () => {
    const policies = [policyOf('allow', [any]), policyOf('deny', [admin])];
    const details = 'rbac_access_denied_matched_policy[deny-rule]';
    assert.deepEqual(verdictOf(policies, { path: '/admin' }), { kind: 'denied', rule: 'deny-rule', details });
    assert.deepEqual(verdictOf(policies, { path: '/' }), { kind: 'allowed', rule: 'allow-rule' });
  });

  for (const { name, policies, allowed } of [
    { name: 'no-policies', policies: [], allowed: true },
    { name: 'allow-without-rules', policies: [{ name: 'p', action: 'allow', rules: [] }], allowed: false },
    { name: 'deny-without-rules', policies: [{ name: 'p', action: 'deny', rules: [] }], allowed: true },
    { name: 'allow-of-an-empty-rule', policies: [policyOf('allow', [any])], allowed: true },
    { name: 'dry-run-of-deny', policies: [policyOf('deny', [any], { dryRun: true })], allowed: true },
    { name: 'dry-run-of-allow', policies: [policyOf('allow', [admin], { dryRun: true })], allowed: true },
    { name: 'audit', policies: [policyOf('audit', [any])], allowed: true },
    { name: 'audit-is-no-allow', policies: [policyOf('audit', [any]), policyOf('allow', [admin])], allowed: false },
    { name: 'one-of-two-policies', policies: [policyOf('allow', [admin]), policyOf('allow', [any])], allowed: true },
    {
      name: 'each-stage-has-to-allow',
      policies: [policyOf('allow', [any]), policyOf('allow', [admin], { stage: 1 })],
      allowed: false,
    },
    {
      name: 'deny-of-a-later-stage',
      policies: [policyOf('allow', [any]), policyOf('deny', [any], { stage: 7 })],
      allowed: false,
    },
    { name: 'rule-that-names-nothing-denies', policies: [policyOf('deny', [])], allowed: false },
    { name: 'rule-that-names-nothing-allows-nothing', policies: [policyOf('allow', [])], allowed: false },
  ] as readonly { name: string; policies: readonly AuthorizationPolicyConfig[]; allowed: boolean }[]) {
    it(`${allowed ? 'lets in' : 'keeps out'}: ${name}`, () => {
      assert.equal(isAllowed(policies), allowed);
    });
  }

  it('says none where no policy allowed', () => {
    const verdict = verdictOf([policyOf('allow', [admin])]);
    assert.deepEqual(verdict, { kind: 'denied', details: 'rbac_access_denied_matched_policy[none]' });
  });

  it('writes no blanks of a name into the details', () => {
    assert.equal(accessDetails('no\tbad rule'), 'rbac_access_denied_matched_policy[no_bad_rule]');
  });

  for (const [what, condition] of [
    ['that nobody knows', unknown],
    ['with a pattern that is none', broken],
    ['with a network that is none', { kind: 'destination-ip', cidr: '300.0.0.0/8' }],
  ] as readonly [string, Permission][]) {
    const negated: Permission = { kind: 'not', of: condition };
    for (const [form, given] of [
      ['alone', condition],
      ['negated', negated],
      ['negated twice', { kind: 'not', of: negated }],
      ['among others', { kind: 'all', of: [any, condition] }],
    ] as readonly [string, Permission][]) {
      it(`refuses by a condition ${what}, ${form}`, () => {
        assert.equal(isAllowed([policyOf('deny', [given])]), false, 'a rule that denies');
        assert.equal(isAllowed([policyOf('allow', [given])]), false, 'a rule that allows');
        assert.equal(verdictOf([policyOf('custom', [given], { provider: 'p' })]).kind, 'ask', 'a rule that asks');
      });
    }
  }

  it('refuses when a rule cannot be evaluated', () => {
    const request = { ...inboundRequest().access, header: () => assert.fail('broken') };
    const verdict = compileAuthorizer([policyOf('allow', [{ kind: 'not', of: role('x') }])]).check(request);
    assert.equal(verdict.kind, 'denied');
  });

  it('asks each provider once, about what is not denied', () => {
    const policies = [
      policyOf('custom', [admin], { provider: 'opa' }),
      policyOf('custom', [any], { provider: 'opa' }),
      policyOf('custom', [any], { provider: 'oauth' }),
      policyOf('deny', [{ kind: 'method', match: { kind: 'exact', value: 'DELETE' } }]),
    ];
    const asked = [
      { provider: 'opa', rule: 'custom-rule' },
      { provider: 'oauth', rule: 'custom-rule' },
    ];
    assert.deepEqual(verdictOf(policies, { path: '/admin' }), { kind: 'ask', policies: asked });
    assert.equal(verdictOf(policies, { path: '/admin', method: 'DELETE' }).kind, 'denied');
  });

  it('asks before it looks whether something allows, and looks at what the answer made of the request', () => {
    const policies = [
      policyOf('custom', [any], { provider: 'opa' }),
      policyOf('allow', [role('member')]),
      policyOf('deny', [role('banned')]),
    ];
    const authorizer = compileAuthorizer(policies);
    assert.equal(authorizer.check(inboundRequest().access).kind, 'ask');
    const verdictWith = (value: string) => authorizer.checkAnswered(inboundRequest({ headers: [['x-role', value]] }).access).kind;
    assert.deepEqual([verdictWith('member'), verdictWith('guest'), verdictWith('banned')], ['allowed', 'denied', 'denied']);
  });

  it('refuses what nobody was named to ask about', () => {
    assert.equal(verdictOf([policyOf('custom', [any])]).kind, 'denied');
  });

  it('tells what dry runs and audits came to, whatever becomes of the request', () => {
    const reports: AccessReport[] = [];
    const policies = [
      policyOf('deny', [any]),
      policyOf('deny', [admin], { dryRun: true }),
      policyOf('allow', [admin], { dryRun: true }),
      policyOf('audit', [admin]),
      policyOf('custom', [admin], { dryRun: true, provider: 'opa' }),
    ];
    const authorizer = compileAuthorizer(policies, (report) => reports.push(report));
    assert.equal(authorizer.check(inboundRequest({ path: '/admin' }).access).kind, 'denied');
    assert.deepEqual(reports.splice(0), [
      { kind: 'dry-run', verdict: 'denied', policy: 'deny-rule' },
      { kind: 'dry-run', verdict: 'allowed', policy: 'allow-rule' },
      { kind: 'audit', verdict: 'matched', policy: 'audit-rule' },
      { kind: 'dry-run', verdict: 'matched', policy: 'custom-rule' },
    ]);
    authorizer.check(inboundRequest().access);
    assert.deepEqual(reports, [
      { kind: 'dry-run', verdict: 'allowed', policy: undefined },
      { kind: 'dry-run', verdict: 'denied', policy: undefined },
    ]);
  });

  it('has its verdict even when whoever hears the reports throws', () => {
    const authorizer = compileAuthorizer([policyOf('audit', [any])], () => assert.fail('broken'));
    assert.equal(authorizer.check(inboundRequest().access).kind, 'allowed');
  });

  it('makes no new verdict for each request', () => {
    const authorizer = compileAuthorizer([policyOf('deny', [admin]), policyOf('allow', [any])]);
    const { access } = inboundRequest();
    assert.equal(authorizer.check(access), authorizer.check(access));
  });

  for (const { name, permission, principal, parts, matches } of [
    { name: 'path-without-query', permission: admin, parts: { path: '/admin?x=1' }, matches: true },
    { name: 'path-header-with-query', permission: header(':path', '/admin'), parts: { path: '/admin?x=1' }, matches: false },
    { name: 'path-segments', permission: path('segment-prefix', '/admin'), parts: { path: '/administrator' }, matches: false },
    { name: 'path-template', permission: path('template', '/users/{id}'), parts: { path: '/users/7' }, matches: true },
    { name: 'port-at-the-end', permission: { kind: 'port', start: 8000, end: 8080 }, parts: {}, matches: true },
    { name: 'port-beyond', permission: { kind: 'port', start: 8000, end: 8079 }, parts: {}, matches: false },
    { name: 'server-name', permission: sni('orders'), parts: { connection: { serverName: 'orders' } }, matches: true },
    { name: 'server-name-missing', permission: sni('orders'), parts: {}, matches: false },
    { name: 'method-in-another-case', permission: method('get'), parts: {}, matches: false },
    { name: 'host-in-another-case', permission: host('Orders'), parts: { authority: 'orders' }, matches: true },
    { name: 'host-with-a-port', permission: host('orders'), parts: { authority: 'orders:8080' }, matches: true },
    { name: 'host-with-another-port', permission: host('orders:80'), parts: { authority: 'orders:8080' }, matches: false },
    { name: 'host-that-is-none', permission: host(''), parts: { authority: '' }, matches: false },
    {
      name: 'authority-in-another-case',
      permission: header(':authority', 'Orders.Example.'),
      parts: { authority: 'orders.example' },
      matches: true,
    },
    { name: 'authority-default-port', permission: header('host', 'orders:80'), parts: { authority: 'orders' }, matches: true },
    {
      name: 'authority-port-of-tls',
      permission: header('host', 'orders:443'),
      parts: { authority: 'orders', connection: { isTls: true } },
      matches: true,
    },
    { name: 'authority-other-port', permission: header('host', 'orders'), parts: { authority: 'orders:8080' }, matches: false },
    { name: 'network', principal: from('192.0.2.0/24'), parts: {}, matches: true },
    { name: 'network-of-all', principal: from('0.0.0.0/0'), parts: {}, matches: true },
    { name: 'network-of-the-other-family', principal: from('::/0'), parts: {}, matches: false },
    {
      name: 'address-in-the-form-of-ipv6',
      principal: from('192.0.2.0/24'),
      parts: { remoteAddress: '::ffff:192.0.2.9' },
      matches: true,
    },
    {
      name: 'network-in-the-form-of-ipv6',
      principal: from('::ffff:192.0.2.0/120'),
      parts: { remoteAddress: '192.0.2.9' },
      matches: true,
    },
    { name: 'address-with-a-zone', principal: from('fe80::/10'), parts: { remoteAddress: 'fe80::1%eth0' }, matches: true },
    { name: 'address-that-is-none', principal: from('0.0.0.0/0'), parts: { remoteAddress: 'unix' }, matches: false },
    { name: 'tls', principal: { kind: 'tls' }, parts: { connection: { isTls: true } }, matches: true },
    { name: 'plaintext', principal: { kind: 'tls' }, parts: {}, matches: false },
    { name: 'scheme-where-no-proxy-said-it', permission: header('x-forwarded-proto', 'http'), parts: {}, matches: true },
  ] as readonly { name: string; permission?: Permission; principal?: Principal; parts: RequestParts; matches: boolean }[]) {
    it(`${matches ? 'meets' : 'does not meet'} a condition: ${name}`, () => {
      const rules = [{ name: 'r', principals: [principal ?? { kind: 'any' as const }], permissions: [permission ?? any] }];
      assert.equal(isAllowed([{ name: 'p', action: 'allow', rules }], parts), matches, 'allow');
      assert.equal(isAllowed([{ name: 'p', action: 'deny', rules }], parts), !matches, 'deny');
    });
  }
});

function header(name: string, value: string): Permission {
  return { kind: 'header', header: { name, match: { kind: 'exact', value } } };
}

function path(kind: 'segment-prefix' | 'template', value: string): Permission {
  return { kind: 'path', match: { kind, value } };
}

function sni(value: string): Permission {
  return { kind: 'sni', match: { kind: 'exact', value } };
}

function method(value: string): Permission {
  return { kind: 'method', match: { kind: 'exact', value } };
}

function host(value: string): Permission {
  return { kind: 'host', match: { kind: 'exact', value } };
}

function from(cidr: string): Principal {
  return { kind: 'source-ip', cidr, which: 'remote' };
}
