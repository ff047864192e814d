/** What the rules of `inbound.authorization` mean: those of the file, through the code that decides about requests. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkMeshObject } from '../../../../src/control-plane/file/parse-mesh-file.ts';
import { translateMeshFile } from '../../../../src/control-plane/file/translate.ts';
import type { FilterChainConfig } from '../../../../src/model/listener.ts';
import { authorize } from '../../../../src/testing/authorize.ts';

type Request = Parameters<typeof authorize>[1];
type Peer = NonNullable<Parameters<typeof authorize>[2]>;

const web: Peer = { spiffeId: 'spiffe://example.org/ns/shop/sa/web' };
const ops: Peer = { spiffeId: 'spiffe://example.org/ns/ops/sa/operator' };
const other: Peer = { spiffeId: 'spiffe://example.org.evil/ns/shop/sa/web' };
const get = (path = '/', more: Partial<Request> = {}): Request => ({ method: 'GET', path, host: 'orders', ...more });

/** The chain that a file with these rules makes. */
async function chainOf(rules: readonly object[]): Promise<FilterChainConfig> {
  const authorization = rules.map((rule, index) => ({ name: `r${index}`, ...rule }));
  const { resources } = translateMeshFile(await checkMeshObject({ inbound: { mode: 'permissive', authorization } }, 'mesh.yaml'));
  const listener = resources.find(({ kind, name }) => kind === 'listener' && name === 'inbound')?.value;
  assert.ok(listener !== undefined && 'filterChains' in listener);
  return listener.filterChains[0]!;
}

interface Case {
  readonly name: string;
  readonly rules: readonly object[];
  readonly allowed: readonly (readonly [Request, Peer?])[];
  readonly denied: readonly (readonly [Request, Peer?])[];
}

const cases: readonly Case[] = [
  { name: 'rule-without-conditions', rules: [{}], allowed: [[get()]], denied: [] },
  { name: 'deny-without-conditions', rules: [{ action: 'deny' }, {}], allowed: [], denied: [[get()], [get(), web]] },
  {
    name: 'from-and-to',
    rules: [{ from: { identities: [web.spiffeId] }, to: { methods: ['GET'], paths: ['/orders/*'] } }],
    allowed: [
      [get('/orders/1'), web],
      [get('/orders/'), web],
      [get('//orders/./1?x=1'), web],
    ],
    denied: [
      [get('/orders'), web],
      [get('/ORDERS/1'), web],
      [get('/orders/1', { method: 'PUT' }), web],
      [get('/orders/1'), ops],
      [get('/orders/1')],
    ],
  },
  {
    name: 'whole-trust-domain',
    rules: [{ from: { identities: ['spiffe://example.org/*'] } }],
    allowed: [
      [get(), web],
      [get(), ops],
    ],
    denied: [[get(), other], [get()]],
  },
  {
    name: 'any-certificate',
    rules: [{ from: { identities: ['*'] } }],
    allowed: [
      [get(), web],
      [get(), other],
    ],
    denied: [[get()]],
  },
  {
    name: 'nobody-of-these',
    rules: [{ action: 'deny', from: { notIdentities: ['spiffe://example.org/*'] } }],
    allowed: [[get(), web]],
    denied: [[get(), other], [get()]],
  },
  {
    name: 'namespaces-and-accounts',
    rules: [{ from: [{ namespaces: ['ops'] }, { serviceAccounts: ['shop/web'] }] }],
    allowed: [
      [get(), web],
      [get(), ops],
    ],
    denied: [
      [get(), { spiffeId: 'spiffe://example.org/ns/shop/sa/other' }],
      [get(), { spiffeId: 'spiffe://example.org/x/ns/shop/sa/web2' }],
    ],
  },
  {
    name: 'hosts-on-every-port',
    rules: [{ action: 'deny', to: { hosts: ['admin.example.org', '*.internal', 'orders:8081'] } }],
    allowed: [[get()], [get('/', { host: 'orders:8080' })], [get('/', { host: 'internal' })]],
    denied: [
      [get('/', { host: 'admin.example.org' })],
      [get('/', { host: 'ADMIN.example.org:8080' })],
      [get('/', { host: 'a.internal:81' })],
      [get('/', { host: 'orders:8081' })],
    ],
  },
  {
    name: 'paths-by-their-segments',
    rules: [{ to: { paths: ['/accounts/{*}/balance', '/open/{**}', '*.json'] } }],
    allowed: [[get('/accounts/1/balance')], [get('/open/a/b')], [get('/x/y.json?z')]],
    denied: [[get('/accounts/1/2/balance')], [get('/accounts//balance')], [get('/openly')], [get('/x.jsonp')]],
  },
  {
    name: 'not-this-path',
    rules: [{ to: { methods: ['GET'], notPaths: ['/admin', '/admin/*'] } }],
    allowed: [[get('/orders')], [get('/administrators')]],
    denied: [[get('/admin')], [get('/x/../admin/users')], [get('/%61dmin')]],
  },
  {
    name: 'deny-goes-before-allow',
    rules: [{ to: { paths: ['/*'] } }, { action: 'deny', to: { methods: ['DELETE'] } }],
    allowed: [[get()]],
    denied: [[get('/', { method: 'DELETE' })]],
  },
  {
    name: 'dry-runs-and-audits-decide-nothing',
    rules: [{ action: 'deny', dryRun: true }, { action: 'audit' }],
    allowed: [[get()]],
    denied: [],
  },
  {
    name: 'headers',
    rules: [{ when: [{ header: 'X-Tenant', values: ['acme', 'beta-*'], notValues: ['beta-9'] }] }],
    allowed: [[get('/', { headers: { 'x-tenant': 'acme' } })], [get('/', { headers: { 'x-tenant': 'beta-1' } })]],
    denied: [[get()], [get('/', { headers: { 'x-tenant': 'ACME' } })], [get('/', { headers: { 'x-tenant': 'beta-9' } })]],
  },
  {
    name: 'header-that-is-not-there',
    rules: [{ action: 'deny', when: [{ header: 'x-tenant', notValues: ['*'] }] }],
    allowed: [[get('/', { headers: { 'x-tenant': 'acme' } })]],
    denied: [[get()]],
  },
  {
    name: 'addresses',
    rules: [{ from: { ipBlocks: ['10.0.0.0/8', '192.0.2.7'] } }],
    allowed: [
      [get(), { address: '10.1.2.3' }],
      [get(), { address: '192.0.2.7' }],
    ],
    denied: [[get(), { address: '192.0.2.8' }]],
  },
];

describe('a rule of mesh.yaml', () => {
  for (const { name, rules, allowed, denied } of cases) {
    it(name, async () => {
      const chain = await chainOf(rules);
      const verdicts = (list: Case['allowed']): unknown[] =>
        list.map(([request, peer]) => [request.path, request.method, authorize(chain, request, peer).verdict]);
      assert.deepEqual(
        verdicts(allowed),
        allowed.map(([{ path, method }]) => [path, method, 'allowed']),
      );
      assert.deepEqual(
        verdicts(denied),
        denied.map(([{ path, method }]) => [path, method, 'denied']),
      );
    });
  }

  it('is named in the details of what it refuses', async () => {
    const chain = await chainOf([{ name: 'no-deletes', action: 'deny', to: { methods: ['DELETE'] } }]);
    const { details } = authorize(chain, get('/', { method: 'DELETE' }));
    assert.equal(details, 'rbac_access_denied_matched_policy[no-deletes]');
  });

  it('looks at claims of verified tokens, of lists at each value', async () => {
    const chain = await chainOf([
      { from: { requestPrincipals: ['https://issuer.example/*'] }, when: [{ claim: ['realm', 'roles'], values: ['teller'] }] },
    ]);
    const withRoles = (roles: unknown, issuer = 'https://issuer.example'): Request =>
      get('/', { tokens: [{ issuer, subject: 'ann', claims: { iss: issuer, sub: 'ann', realm: { roles } } }] });
    assert.equal(authorize(chain, withRoles(['guest', 'teller'])).verdict, 'allowed');
    assert.equal(authorize(chain, withRoles('teller')).verdict, 'allowed');
    assert.equal(authorize(chain, withRoles(['guest'])).verdict, 'denied');
    assert.equal(authorize(chain, withRoles(['teller'], 'https://other.example')).verdict, 'denied');
    assert.equal(authorize(chain, get()).verdict, 'denied');
  });
});
