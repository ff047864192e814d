import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  authorize,
  parseSpiffeId,
  seededRandom,
  type AuthorizationPolicyConfig,
  type AuthorizedRequest,
  type Random,
} from 'meshfetch/testing';
import type { Permission } from '../../../src/model/authorization.ts';
import { policyOf } from '../../support/inbound.ts';

const web = 'spiffe://example.org/ns/shop/sa/web';
const fromWeb: AuthorizationPolicyConfig = {
  name: 'only-web',
  action: 'allow',
  rules: [
    {
      name: 'only-web',
      principals: [{ kind: 'identity', match: { kind: 'exact', value: web } }],
      permissions: [{ kind: 'any' }],
    },
  ],
};
const noAdmin = policyOf('deny', [{ kind: 'path', match: { kind: 'exact', value: '/admin' } }]);

describe('authorize', () => {
  it('says who may come in', () => {
    assert.deepEqual(authorize(fromWeb, { host: 'orders', path: '/a//b/../c?d' }, { spiffeId: web }), {
      verdict: 'allowed',
      status: 200,
      rule: 'only-web',
      path: '/a/c?d',
      reports: [],
    });
    assert.equal(authorize(fromWeb, {}, { spiffeId: `${web}2` }).details, 'rbac_access_denied_matched_policy[none]');
    assert.equal(authorize(fromWeb, {}).verdict, 'denied', 'in plaintext');
    assert.equal(
      authorize(fromWeb, {}, { uris: [web, 'https://x.example'] }).verdict,
      'denied',
      'by a certificate with two URIs',
    );
  });

  it('takes what a filter chain says of paths', () => {
    const pathNormalization = { normalize: false, mergeSlashes: false, escapedSlashes: 'keep' } as const;
    const chain = { authorization: [noAdmin], pathNormalization };
    assert.equal(authorize(chain, { path: '//admin' }).status, 200);
    assert.equal(authorize([noAdmin], { path: '//admin' }).status, 403);
  });

  it('refuses a path and a host that no rule should see', () => {
    assert.equal(authorize([], { path: '/a%00' }).status, 400);
    assert.equal(authorize([], { path: '/a%2Fb' }).status, 400);
    assert.equal(authorize([], { host: 'user@orders' }).details, 'invalid_host');
    assert.equal(authorize([], { host: 'orders', headers: { Host: 'other' } }).details, 'duplicate_host');
  });

  it('sees tokens, ports and the addresses of proxies', () => {
    const policies: AuthorizationPolicyConfig[] = [
      {
        name: 'p',
        action: 'allow',
        rules: [
          {
            name: 'r',
            principals: [
              {
                kind: 'all',
                of: [
                  { kind: 'request-principal', match: { kind: 'exact', value: 'https://i/joe' } },
                  { kind: 'source-ip', which: 'remote', cidr: '198.51.100.0/24' },
                ],
              },
            ],
            permissions: [{ kind: 'port', start: 8443, end: 8443 }],
          },
        ],
      },
    ];
    const request = { port: 8443, tokens: [{ issuer: 'https://i', subject: 'joe', claims: {} }] };
    assert.equal(authorize(policies, request, { remoteAddress: '198.51.100.1' }).verdict, 'allowed');
    assert.equal(authorize(policies, request).verdict, 'denied');
  });

  it('tells who would be asked, and what dry runs came to', () => {
    const custom = policyOf('custom', [{ kind: 'any' }], { provider: 'opa' });
    const result = authorize([custom, policyOf('deny', [{ kind: 'any' }], { dryRun: true })], {});
    assert.deepEqual(result.asked, [{ provider: 'opa', rule: 'custom-rule' }]);
    assert.deepEqual([result.verdict, result.status], ['ask', 200]);
    assert.deepEqual(result.reports, [{ kind: 'dry-run', verdict: 'denied', policy: 'deny-rule' }]);
  });
});

describe('parseSpiffeId', () => {
  it('takes a SPIFFE ID apart, and throws for what is none', () => {
    assert.deepEqual(parseSpiffeId(web), { trustDomain: 'example.org', path: '/ns/shop/sa/web' });
    assert.throws(() => parseSpiffeId('spiffe://Example.org/web'), TypeError);
  });
});

describe('T-AUTHZ: a request that is denied', () => {
  const random = seededRandom(7);
  const draw = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;

  it('is not let in when it is written in another way', () => {
    let denied = 0;
    for (let round = 0; round < 20_000; round++) {
      const policy = policyOf('deny', [randomPermission(draw, random, 0)]);
      const request: AuthorizedRequest = {
        method: draw(['GET', 'POST']),
        host: draw(['orders.example', 'admin.example', 'admin.example:8080']),
        path: draw(['/admin', '/admin/users', '/public/x', '/users/7']),
        headers: [
          ['x-role', draw(['admin', 'user'])],
          ['User-Agent', draw(['curl', 'bad'])],
          ['cookie', 'a=1; b=2'],
        ],
      };
      if (authorize(policy, request).verdict !== 'denied') continue;
      denied++;
      const changed = rewritten(request, draw, random);
      const { verdict } = authorize(policy, changed);
      assert.equal(verdict, 'denied', JSON.stringify({ policy: policy.rules[0]!.permissions, request, changed }));
    }
    assert.ok(denied > 3000, `${denied} of 20000 were denied`);
  });
});

type Draw = <T>(from: readonly T[]) => T;

function randomPermission(draw: Draw, random: Random, depth: number): Permission {
  const inner = (): Permission => randomPermission(draw, random, depth + 1);
  const shape = depth < 3 ? random() : 1;
  if (shape < 0.2) return { kind: 'not', of: inner() };
  if (shape < 0.4) return { kind: draw(['all', 'some'] as const), of: [inner(), inner()] };
  const text = (values: readonly string[]) => ({
    kind: draw(['exact', 'prefix', 'suffix', 'contains'] as const),
    value: draw(values),
    ...(random() < 0.3 && { ignoreCase: true }),
  });
  const header = draw([
    { name: draw(['x-role', 'X-Role']), match: text(['admin', 'user', 'min']) },
    { name: 'user-agent', match: text(['curl', 'bad']) },
    { name: 'cookie', match: text(['a=1; b=2', 'a=1']) },
    { name: ':authority', match: text(['admin.example', 'Admin.example', 'orders.example:80', '.example']) },
  ]);
  return draw<Permission>([
    { kind: 'path', match: text(['/admin', '/users', '/public/']) },
    { kind: 'method', match: { kind: 'exact', value: 'GET' } },
    { kind: 'host', match: text(['admin.example', 'orders.example', '.example']) },
    { kind: 'header', header: { ...header, ...(random() < 0.3 && { invert: true }) } },
    { kind: 'header', header: { ...header, ...(random() < 0.3 && { invert: true }) } },
  ]);
}

/** The same request in other bytes: what rules of a server must not tell apart, or what it adds must not help it. */
function rewritten(request: AuthorizedRequest, draw: Draw, random: Random): AuthorizedRequest {
  const headers = (request.headers as readonly (readonly [string, string])[]).flatMap(([name, value]) => {
    const cased = name.replaceAll(/[a-z]/g, (letter) => (random() < 0.3 ? letter.toUpperCase() : letter));
    // Further values of x-role and user-agent; cookies on lines of their own.
    if (name === 'cookie' && random() < 0.3) return value.split('; ').map((each) => [cased, each] as const);
    if (name === 'cookie' || random() < 0.6) return [[cased, value] as const];
    const other = [draw([cased, name]), draw(['admin', 'user', 'curl', 'bad', value])] as const;
    return random() < 0.5 ? [[cased, value] as const, other] : [other, [cased, value] as const];
  });
  const path = draw<(path: string) => string>([
    (each) => each,
    (each) => each.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
    (each) => `/x/..${each}`,
    (each) => `/x/%2E%2e${each}`,
    (each) => `/.${each}`,
    (each) => `/${each}`,
    (each) => each.replaceAll('/', '\\').replace('\\', '/'),
    (each) => `http://${request.host}${each}`,
    (each) => `${each}?x=/public`,
    (each) => `/${each.slice(1).replace('/', '%2F')}`,
  ])(request.path!);
  const host = draw<(host: string) => string>([
    (each) => each,
    (each) => each.toUpperCase(),
    (each) => (each.includes(':') ? each : `${each}:80`),
    (each) => each.replace(/(?=:|$)/, '.'),
  ])(request.host!);
  return { ...request, headers, path, host };
}
