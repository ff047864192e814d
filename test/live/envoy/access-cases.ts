/** Generated access rules and hostile requests, the same ones for the same seed. Values come from small pools, so that rules do match. */
import type { Random } from 'meshfetch/testing';
import type { SubjectNames } from '../../../src/security/certificate-authority.ts';

/** The port that a side serves the rules on, which conditions are about. */
export interface OwnPort {
  readonly port: number;
}

/** A chain of one or two filters and how paths are normalised; JSON as Envoy reads it, but for the port. */
export interface AccessPolicy {
  readonly filters: (own: OwnPort) => readonly object[];
  readonly manager: object;
  readonly hasTokens: boolean;
  /** Rules of the network filter in front. */
  readonly network?: (own: OwnPort) => object;
}

/** Who asks: the name of a certificate, `anonymous` = TLS without one, `plaintext`. */
export const callers = ['web', 'admin', 'batch', 'legacy', 'stranger', 'anonymous', 'plaintext'] as const;
export type Caller = (typeof callers)[number];

/** A request as it goes over the wire. */
export interface AccessCase {
  readonly policy: number;
  readonly caller: Caller;
  readonly source: string;
  readonly serverName: string;
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Token in `authorization`. */
  readonly token: 'admin' | 'user' | undefined;
}

/** Names in the certificates. */
export const names: Readonly<Record<Exclude<Caller, 'anonymous' | 'plaintext'>, SubjectNames>> = {
  web: { uris: ['spiffe://example.org/ns/shop/sa/web'], commonName: 'web' },
  admin: { uris: ['spiffe://example.org/ns/ops/sa/admin'], dnsNames: ['admin.example.org'], commonName: 'admin' },
  batch: { uris: ['spiffe://other.example/ns/shop/sa/web'], commonName: 'batch' },
  legacy: { dnsNames: ['legacy.example.org', 'old.example.org'], commonName: 'legacy' },
  stranger: { uris: ['https://example.org/ns/shop/sa/web'], dnsNames: ['web'], commonName: 'stranger' },
};

const types = 'type.googleapis.com/envoy.extensions';

/** Generates `count` policies. */
export function accessPolicies(random: Random, count: number): readonly AccessPolicy[] {
  return Array.from({ length: count }, () => accessPolicy(random));
}

const any = { any: true };
const ofWorkload = (match: object): object => ({ authenticated: { principal_name: match } });
const networkRules: readonly (readonly [action: string, permission: object, principal: object])[] = [
  ['DENY', any, ofWorkload({ exact: 'spiffe://example.org/ns/shop/sa/web' })],
  ['ALLOW', any, ofWorkload({ prefix: 'spiffe://example.org/' })],
  ['ALLOW', any, ofWorkload({ suffix: '.example.org' })],
  ['ALLOW', any, { direct_remote_ip: { address_prefix: '127.0.0.2', prefix_len: 32 } }],
  ['DENY', any, { remote_ip: { address_prefix: '127.0.0.0', prefix_len: 24 } }],
  ['DENY', any, { not_id: { authenticated: {} } }],
  ['ALLOW', { requested_server_name: { exact: 'svc.test' } }, any],
  ['DENY', { destination_port: 'own port' }, { authenticated: {} }],
  ['ALLOW', { not_rule: { destination_port: 'own port' } }, any],
];

/** Policies on connections alone. */
export const connectionPolicies: readonly AccessPolicy[] = networkRules.map(([action, permission, principal]) => ({
  manager: {},
  hasTokens: false,
  filters: () => [],
  network: ({ port }) =>
    withPort({ action, policies: { 'the rule': { permissions: [permission], principals: [principal] } } }, port),
}));

/** The port of each side stands in the place of its name. */
function withPort(rules: object, port: number): object {
  const text = JSON.stringify(rules)
    .replaceAll('"own port"', String(port))
    .replaceAll('"next port"', String(port + 1));
  return JSON.parse(text) as object;
}

/** Generates `count` requests for a policy. */
export function accessCases(random: Random, policy: number, count: number): readonly AccessCase[] {
  return Array.from({ length: count }, () => ({
    policy,
    caller: draw(random, callers),
    source: draw(random, ['127.0.0.1', '127.0.0.2', '127.0.1.7']),
    serverName: draw(random, ['svc.test', 'svc.test', 'admin.test']),
    method: draw(random, methods),
    target: draw(random, targets),
    host: draw(random, hosts),
    headers: headersOf(random),
    token: draw(random, ['admin', 'user', undefined, undefined]),
  }));
}

const methods = ['GET', 'GET', 'POST', 'DELETE', 'PUT', 'OPTIONS', 'HEAD'];
const hosts = [
  'svc.test',
  'svc.test',
  'svc.test:8080',
  'SVC.Test',
  'svc.test.',
  'admin.test',
  'admin.test:80',
  '[::1]:8080',
  '127.0.0.1',
];
const targets = [
  '/',
  '/admin',
  '/admin/',
  '/ADMIN',
  '/admin?x=/public',
  '/admin;v=1',
  '//admin',
  '/public/../admin',
  '/public/%2e%2e/admin',
  '/public/./users',
  '/%61dmin',
  '/admin%2Fusers',
  '/admin%5cusers',
  '/admin\\users',
  '/public',
  '/public/users/1',
  '/users/1',
  '/users/1?role=admin',
  '/users/1/orders',
  '/public%00',
  '/public#admin',
  '/admin%252Fx',
  'http://svc.test/admin',
  'http://admin.test//users/1?y',
  '/a//b/',
];
const values = ['admin', 'user', 'admin,user', '', '5', '50', 'Admin', 'adm'];
const headerNames = [
  'x-role',
  'X-Role',
  'x-ROLE',
  'x-tenant',
  'X-Tenant',
  'accept',
  'Cookie',
  'user-agent',
  'x-forwarded-for',
  'x_role',
];

/** Often with a second value of the first one. */
function headersOf(random: Random): AccessCase['headers'] {
  const headers = some(random, 4, () => header(random));
  const [first] = headers;
  if (first === undefined || random() < 0.6) return headers;
  const [name, value] = first;
  const other = name === 'Cookie' || name === 'x-forwarded-for' ? value : draw(random, values);
  return [...headers, [draw(random, [name, name.toLowerCase()]), other]];
}

function header(random: Random): readonly [string, string] {
  const name = draw(random, headerNames);
  if (name === 'Cookie') return [name, draw(random, ['a=1', 'b=2', 'a=1; b=2'])];
  if (name === 'x-forwarded-for') return [name, draw(random, ['10.0.0.1', '127.0.0.2', '10.0.0.1, 127.0.1.7'])];
  return [name, draw(random, values)];
}

function accessPolicy(random: Random): AccessPolicy {
  const hasTokens = random() < 0.5;
  const kinds = draw(random, [['DENY'], ['ALLOW'], ['DENY', 'ALLOW'], ['ALLOW', 'ALLOW'], ['LOG', 'DENY']]);
  const filters = kinds.map((action, index) => {
    const rules = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, rule) => [
      draw(random, [`ns[shop]-policy[p${index}]-rule[${rule}]`, `rule ${index} ${rule}`, `z${9 - rule}`]),
      {
        permissions: atLeastOne(random, 2, () => condition(random, 'permission', hasTokens, 0)),
        principals: atLeastOne(random, 2, () => condition(random, 'principal', hasTokens, 0)),
      },
    ]);
    return { action, policies: Object.fromEntries(rules) as object };
  });
  const manager = {
    normalize_path: random() < 0.7,
    merge_slashes: random() < 0.5,
    path_with_escaped_slashes_action: draw(random, [
      'KEEP_UNCHANGED',
      'REJECT_REQUEST',
      'UNESCAPE_AND_REDIRECT',
      'UNESCAPE_AND_FORWARD',
    ]),
  };
  return {
    hasTokens,
    manager,
    filters: ({ port }) =>
      filters.map((rules, index) => ({
        name: index === 0 ? 'envoy.filters.http.rbac' : `envoy.filters.http.rbac.${index}`,
        typed_config: {
          '@type': `${types}.filters.http.rbac.v3.RBAC`,
          rules: withPort(rules, port),
        },
      })),
  };
}

type Condition = Readonly<Record<string, unknown>>;

function condition(random: Random, side: 'permission' | 'principal', hasTokens: boolean, depth: number): Condition {
  const isPermission = side === 'permission';
  const inner = (): Condition => condition(random, side, hasTokens, depth + 1);
  const shape = depth < 2 ? random() : 1;
  if (shape < 0.12) {
    const of = atLeastOne(random, 2, inner);
    return isPermission ? { and_rules: { rules: of } } : { and_ids: { ids: of } };
  }
  if (shape < 0.24) {
    const of = atLeastOne(random, 3, inner);
    return isPermission ? { or_rules: { rules: of } } : { or_ids: { ids: of } };
  }
  if (shape < 0.4) return isPermission ? { not_rule: inner() } : { not_id: inner() };
  const shared: readonly (() => Condition)[] = [
    () => ({ any: true }),
    () => ({ header: headerMatch(random) }),
    () => ({ url_path: { path: pathMatch(random) } }),
    ...(hasTokens ? [() => ({ metadata: claimMatch(random) })] : []),
  ];
  const own: readonly (() => Condition)[] = isPermission
    ? [
        () => ({ url_path: { path: pathMatch(random) } }),
        () => ({
          header: { name: ':method', string_match: draw(random, [{ exact: 'GET' }, { exact: 'get' }, { prefix: 'P' }]) },
        }),
        () => ({ header: { name: draw(random, [':authority', 'host']), string_match: hostMatch(random) } }),
        () => ({ destination_port: draw(random, ['own port', 'next port']) }),
        () => ({ destination_port_range: { start: 'own port', end: 'next port' } }),
        () => ({ destination_ip: cidr(random) }),
        () => ({ requested_server_name: draw(random, [{ exact: 'svc.test' }, { suffix: '.test' }]) }),
        () => ({
          uri_template: {
            name: 'envoy.path.match.uri_template.uri_template_matcher',
            typed_config: {
              '@type': `${types}.path.match.uri_template.v3.UriTemplateMatchConfig`,
              path_template: draw(random, ['/users/{id}', '/public/**', '/public/*/1', '/users/*/orders']),
            },
          },
        }),
      ]
    : [
        () => ({ authenticated: {} }),
        () => ({ authenticated: { principal_name: nameMatch(random) } }),
        () => ({ authenticated: { principal_name: nameMatch(random) } }),
        () => ({ direct_remote_ip: cidr(random) }),
        () => ({ remote_ip: cidr(random) }),
      ];
  return draw(random, [...shared, ...own])();
}

function headerMatch(random: Random): Condition {
  const name = draw(random, ['x-role', 'X-Role', 'x-tenant', 'accept', 'cookie', ':path', 'x_role', 'x-forwarded-proto']);
  const match = draw<Condition>(random, [
    {
      string_match: {
        exact: draw(
          random,
          values.filter((value) => value !== ''),
        ),
      },
    },
    { string_match: { exact: draw(random, ['admin', 'a=1', 'a=1; b=2', '/admin', 'https']), ignore_case: true } },
    { string_match: { prefix: draw(random, ['adm', 'a', '/admin', 'http']) } },
    { string_match: { contains: draw(random, ['min', ',', '=1', 'http']) } },
    { string_match: { suffix: draw(random, ['min', 'er', '?x=/public']) } },
    { string_match: { safe_regex: { regex: draw(random, ['adm.*', '[0-9]+', '.*', 'admin|user']) } } },
    { range_match: { start: 1, end: 10 } },
    { present_match: true },
    { present_match: false },
  ]);
  return {
    name,
    ...match,
    ...(random() < 0.3 && { invert_match: true }),
    ...(random() < 0.15 && { treat_missing_header_as_empty: true }),
  };
}

function pathMatch(random: Random): Condition {
  return draw<Condition>(random, [
    { exact: draw(random, ['/admin', '/users/1', '/public', '/', '/admin/users']) },
    { prefix: draw(random, ['/admin', '/public', '/users/', '/']) },
    { suffix: draw(random, ['/1', 'admin', 'users']) },
    { contains: draw(random, ['min', '//', '..', '%2']) },
    { exact: '/admin', ignore_case: true },
    { safe_regex: { regex: draw(random, ['/users/[0-9]+', '/admin.*', '/(public|admin)']) } },
  ]);
}

function hostMatch(random: Random): Condition {
  return draw<Condition>(random, [
    { exact: draw(random, ['svc.test', 'admin.test', 'svc.test:8080']), ignore_case: random() < 0.7 },
    { prefix: 'svc.test', ignore_case: true },
    { suffix: '.test', ignore_case: true },
    { suffix: ':8080' },
    { safe_regex: { regex: '(svc|admin)\\.test(:[0-9]+)?' } },
  ]);
}

function nameMatch(random: Random): Condition {
  return draw<Condition>(random, [
    { exact: draw(random, ['spiffe://example.org/ns/shop/sa/web', 'spiffe://example.org/ns/ops/sa/admin']) },
    { exact: draw(random, ['legacy.example.org', 'old.example.org', 'web', 'admin.example.org']) },
    { prefix: draw(random, ['spiffe://example.org/', 'spiffe://', 'https://']) },
    { suffix: draw(random, ['/sa/web', '/ns/shop/sa/web', '.example.org']) },
    { safe_regex: { regex: draw(random, ['.*/ns/shop/.*', 'spiffe://[^/]+/ns/ops/.*']) } },
  ]);
}

function claimMatch(random: Random): Condition {
  const [path, value] = draw<readonly [readonly string[], Condition]>(random, [
    [['role'], { string_match: { exact: 'admin' } }],
    [['role'], { present_match: true }],
    [['groups'], { list_match: { one_of: { string_match: { exact: 'ops' } } } }],
    [['groups'], { string_match: { exact: 'ops' } }],
    [['org', 'tier'], { double_match: { range: { start: 1, end: 3 } } }],
    [['org', 'active'], { bool_match: true }],
    [['missing'], { present_match: true }],
    [['iss'], { string_match: { exact: 'https://issuer.example' } }],
  ]);
  return {
    filter: 'envoy.filters.http.jwt_authn',
    path: ['payload', ...path].map((key) => ({ key })),
    value,
    ...(random() < 0.2 && { invert: true }),
  };
}

function cidr(random: Random): Condition {
  const [address_prefix, prefix_len] = draw(random, [
    ['127.0.0.0', 8],
    ['127.0.0.0', 24],
    ['127.0.0.2', 32],
    ['127.0.1.0', 24],
    ['10.0.0.0', 8],
    ['0.0.0.0', 0],
    ['::', 0],
    ['::1', 128],
  ] as const);
  return { address_prefix, prefix_len };
}

function draw<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

function some<T>(random: Random, max: number, make: () => T): readonly T[] {
  return Array.from({ length: Math.floor(random() * (max + 1)) }, make);
}

function atLeastOne<T>(random: Random, max: number, make: () => T): readonly T[] {
  return [make(), ...some(random, max - 1, make)];
}
