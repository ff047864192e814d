import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileConnectionAuthorizer } from '../../../../src/data-plane/inbound/connection-authorizer.ts';
import type { InboundConnection } from '../../../../src/data-plane/inbound/inbound-connection.ts';
import type { AuthorizationPolicyConfig, Permission } from '../../../../src/model/authorization.ts';
import { inboundRequest } from '../../../support/access-request.ts';
import { policyOf } from '../../../support/inbound.ts';

const port: Permission = { kind: 'port', start: 8080, end: 8080 };
const anyText = { kind: 'prefix', value: '' } as const;

function check(policies: readonly AuthorizationPolicyConfig[], connection: Partial<InboundConnection> = {}) {
  return compileConnectionAuthorizer(policies).check(inboundRequest({ connection }).access.connection);
}

describe('an authorizer of connections', () => {
  it('denies and allows by what is known of a connection', () => {
    const details = 'rbac_access_denied_matched_policy[deny-rule]';
    assert.deepEqual(check([policyOf('deny', [port])]), { kind: 'denied', rule: 'deny-rule', details });
    assert.equal(check([policyOf('deny', [port])], { localPort: 9090 }).kind, 'allowed');
    assert.equal(check([policyOf('allow', [port])], { localPort: 9090 }).kind, 'denied');
  });

  for (const condition of [
    { kind: 'path', match: anyText },
    { kind: 'method', match: anyText },
    { kind: 'host', match: anyText },
    { kind: 'header', header: { name: 'x-role', match: { kind: 'present' } } },
    { kind: 'header', header: { name: ':authority', match: { kind: 'present' } } },
    { kind: 'claim', path: ['role'], match: { kind: 'present' } },
  ] as const satisfies readonly Permission[]) {
    it(`finds nothing of a request yet: ${condition.kind}`, () => {
      assert.equal(check([policyOf('allow', [condition])]).kind, 'denied');
      assert.equal(check([policyOf('deny', [condition])]).kind, 'allowed');
    });
  }

  it('looks at the address of the other end, and at the one that a PROXY protocol header named', () => {
    const connection = { directAddress: '192.0.2.1', peerAddress: '198.51.100.7' };
    for (const [which, cidr] of [
      ['direct', '192.0.2.0/24'],
      ['connection', '198.51.100.0/24'],
      ['remote', '198.51.100.0/24'],
    ] as const) {
      const rules = [
        { name: 'r', principals: [{ kind: 'source-ip', which, cidr } as const], permissions: [{ kind: 'any' } as const] },
      ];
      assert.equal(check([{ name: 'p', action: 'allow', rules }], connection).kind, 'allowed', which);
    }
  });

  it('asks nobody: what somebody would be asked about is denied', () => {
    const verdict = check([policyOf('custom', [port], { provider: 'opa' })]);
    const details = 'rbac_access_denied_matched_policy[custom-rule]';
    assert.deepEqual(verdict, { kind: 'denied', rule: 'custom-rule', details });
  });
});
