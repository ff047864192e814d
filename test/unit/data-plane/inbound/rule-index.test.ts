import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { compileAuthorizer } from '../../../../src/data-plane/inbound/authorizer.ts';
import { compileFirstMatch } from '../../../../src/data-plane/inbound/rule-index.ts';
import type { AuthorizationRule, Permission, Principal } from '../../../../src/model/authorization.ts';
import type { PathSpelling } from '../../../../src/data-plane/inbound/access-request.ts';
import { inboundRequest } from '../../../support/access-request.ts';

const random = seededRandom(11);
const draw = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
const names = ['spiffe://example.org/web', 'spiffe://example.org/admin', 'web.example', 'CN=web'];
const paths = ['/', '/a', '/b', '/A', '/a/', '/B/'];

function condition<C>(own: () => C, depth = 0): C {
  const shape = depth < 2 ? random() : 1;
  if (shape < 0.2) return { kind: 'not', of: condition(own, depth + 1) } as C;
  if (shape < 0.5) return { kind: draw(['all', 'some']), of: [condition(own, depth + 1), condition(own, depth + 1)] } as C;
  return own();
}

const principal = (): Principal =>
  draw<Principal>([
    { kind: 'identity', match: { kind: 'exact', value: draw(names), ...(random() < 0.2 && { ignoreCase: true }) } },
    { kind: 'identity', match: { kind: 'prefix', value: 'spiffe://' } },
    { kind: 'any' },
  ]);
const permission = (): Permission =>
  draw<Permission>([
    { kind: 'path', match: { kind: 'exact', value: draw(paths), ...(random() < 0.2 && { ignoreCase: true }) } },
    { kind: 'path', match: { kind: 'prefix', value: '/a' } },
    { kind: 'method', match: { kind: 'exact', value: 'GET' } },
  ]);

const spelling = (): PathSpelling => ({
  ignoresCase: random() < 0.5,
  ignoresSlash: random() < 0.5,
  ignoresEscapes: random() < 0.5,
});

function rule(position: number): AuthorizationRule {
  const list = <T>(make: () => T): readonly T[] => (random() < 0.3 ? [make(), make()] : [make()]);
  return {
    name: String(position),
    principals: list(() => condition(principal)),
    permissions: list(() => condition(permission)),
  };
}

describe('an index of rules', () => {
  it('finds the rule that is found without it', () => {
    let found = 0;
    for (let round = 0; round < 400; round++) {
      const rules = Array.from({ length: 30 }, (_, position) => rule(position));
      const uris = names.filter((name) => name.startsWith('spiffe') && random() < 0.4);
      const dnsNames = names.filter((name) => name.endsWith('.example') && random() < 0.4);
      const identity = { uris, dnsNames, ipAddresses: [], emails: [] };
      const { access } = inboundRequest({
        path: draw(paths),
        pathSpelling: draw([undefined, spelling()]),
        refusingSpelling: draw([undefined, spelling()]),
        connection: { isTls: true, identity: uris.length + dnsNames.length === 0 ? undefined : identity },
      });
      for (const action of ['allow', 'deny'] as const) {
        const matches = (each: AuthorizationRule): boolean =>
          (compileAuthorizer([{ name: 'p', action, rules: [each] }]).check(access).kind === 'allowed') === (action === 'allow');
        const expected = rules.find(matches)?.name;
        const verdict = compileAuthorizer([{ name: 'p', action, rules }]).check(access);
        assert.equal(verdict.kind === 'ask' ? 'ask' : verdict.rule, expected);
        if (expected !== undefined) found++;
      }
    }
    assert.ok(found > 300, `${found} found`);
  });

  it('asks none of the rules that are about other paths and other peers', () => {
    let asked = 0;
    const rules = Array.from({ length: 100 }, (_, index) => ({
      rule: {
        name: String(index),
        principals: [
          { kind: 'identity' as const, match: { kind: 'exact' as const, value: index % 2 === 0 ? names[0]! : `w${index}` } },
        ],
        permissions: [{ kind: 'path' as const, match: { kind: 'exact' as const, value: `/${index}` } }],
      },
      matches: () => ++asked > 0,
      verdict: index,
    }));
    const first = compileFirstMatch(rules);
    assert.equal(first(inboundRequest({ path: '/98' }).access), 98);
    assert.equal(first(inboundRequest({ path: '/other' }).access), undefined);
    assert.equal(asked, 1);
  });
});
