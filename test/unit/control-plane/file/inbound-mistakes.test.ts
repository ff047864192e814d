/** Mistakes in `inbound`: each is told with its path and what would be right. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkMeshObject } from '../../../../src/control-plane/file/parse-mesh-file.ts';
import { problemsOf } from './problems-of.ts';

const identity = { certificate: 'a.pem', privateKey: 'a.key', trustBundle: 'ca.pem' };
const rule = (more: object): object => ({ inbound: { mode: 'disabled', authorization: [{ name: 'r', ...more }] } });
const provider = (more: object): object => ({
  inbound: { mode: 'disabled', jwt: { providers: [{ issuer: 'https://i', audiences: ['a'], ...more }] } },
});
const authorizer = (more: object): object => ({
  services: { opa: { endpoints: ['127.0.0.1:1'] } },
  inbound: {
    mode: 'disabled',
    authorization: [{ name: 'r', action: 'custom', authorizer: 'a' }],
    externalAuthorizers: { a: { service: 'opa', protocol: 'grpc', ...more } },
  },
});
const at = 'inbound.authorization[0]';

const mistakes: readonly { readonly name: string; readonly file: unknown; readonly path: string; readonly reason: RegExp }[] = [
  { name: 'no-mode', file: { inbound: {} }, path: 'inbound.mode', reason: /the key is missing/ },
  { name: 'mode-of-istio', file: { inbound: { mode: 'DISABLE' } }, path: 'inbound.mode', reason: /did you mean "disabled"\?/ },
  { name: 'no-mapping', file: { inbound: 'strict' }, path: 'inbound', reason: /expected a mapping, or a list of them/ },
  { name: 'empty-list', file: { inbound: [] }, path: 'inbound', reason: /at least one item/ },
  {
    name: 'strict-without-identity',
    file: { inbound: { mode: 'strict' } },
    path: 'inbound.mode',
    reason: /add `identity: \{ certificate, privateKey, trustBundle \}`, name an identity/,
  },
  {
    name: 'strict-without-roots',
    file: { inbound: { mode: 'strict' }, identity: { certificate: 'a.pem', privateKey: 'a.key' } },
    path: 'inbound.mode',
    reason: /add `trustBundle` to `identity`/,
  },
  {
    name: 'two-for-one-port',
    file: {
      inbound: [
        { mode: 'disabled', port: 80 },
        { mode: 'disabled', port: 80 },
      ],
    },
    path: 'inbound[1].port',
    reason: /another item is for port 80 too/,
  },
  {
    name: 'two-without-port',
    file: { inbound: [{ mode: 'disabled' }, { mode: 'disabled' }] },
    path: 'inbound[1]',
    reason: /give this one its `port`/,
  },
  {
    name: 'peers-without-tls',
    file: { inbound: { mode: 'disabled', peers: ['spiffe://a/b'] } },
    path: 'inbound.peers',
    reason: /no effect with `mode: disabled`/,
  },
  {
    name: 'everybody-trusted',
    file: { inbound: { mode: 'permissive', trustedPeers: ['*'] } },
    path: 'inbound.trustedPeers[0]',
    reason: /write spiffe:\/\/<trust domain>\/\*/,
  },
  {
    name: 'optional-certificate-under-strict',
    file: { inbound: { mode: 'strict', clientCertificate: 'optional' }, identity },
    path: 'inbound.clientCertificate',
    reason: /under `permissive` only/,
  },
  { name: 'misspelt-key', file: rule({ form: {} }), path: `${at}.form`, reason: /did you mean "from"\?/ },
  {
    name: 'misspelt-key-in-a-list',
    file: rule({ to: [{ path: ['/x'] }] }),
    path: `${at}.to[0].path`,
    reason: /did you mean "paths"\?/,
  },
  { name: 'action-of-istio', file: rule({ action: 'DENY' }), path: `${at}.action`, reason: /did you mean "deny"\?/ },
  { name: 'name-with-space', file: rule({ name: 'a b' }), path: `${at}.name`, reason: /a name of letters/ },
  { name: 'nothing-in-from', file: rule({ from: {} }), path: `${at}.from`, reason: /leave `from` out for everybody/ },
  { name: 'nothing-in-to', file: rule({ to: {} }), path: `${at}.to`, reason: /leave `to` out for everything/ },
  { name: 'empty-from', file: rule({ from: [] }), path: `${at}.from`, reason: /at least one item/ },
  { name: 'empty-list-of-methods', file: rule({ to: { methods: [] } }), path: `${at}.to.methods`, reason: /at least one item/ },
  {
    name: 'principal-of-istio',
    file: rule({ from: { identities: ['cluster.local/ns/a/sa/b'] } }),
    path: `${at}.from.identities[0]`,
    reason: /write spiffe:\/\/cluster\.local\/ns\/a\/sa\/b/,
  },
  {
    name: 'trust-domain-cut-open',
    file: rule({ from: { identities: ['spiffe://example.org*'] } }),
    path: `${at}.from.identities[0]`,
    reason: /after the whole trust domain: spiffe:\/\/example\.org\/\*/,
  },
  {
    name: 'star-in-the-middle-of-a-name',
    file: rule({ from: { identities: ['spiffe://a/*/b'] } }),
    path: `${at}.from.identities[0]`,
    reason: /at the beginning or the end only/,
  },
  {
    name: 'star-in-the-middle-of-a-path',
    file: rule({ to: { paths: ['/a/*/b'] } }),
    path: `${at}.to.paths[0]`,
    reason: /one segment in the middle is \{\*\}/,
  },
  {
    name: 'path-with-a-blank',
    file: rule({ to: { paths: ['/my reports'] } }),
    path: `${at}.to.paths[0]`,
    reason: /write %20/,
  },
  { name: 'path-with-two-slashes', file: rule({ to: { paths: ['/x//y'] } }), path: `${at}.to.paths[0]`, reason: /are merged/ },
  { name: 'path-with-dots', file: rule({ to: { paths: ['/a/../b'] } }), path: `${at}.to.paths[0]`, reason: /are resolved/ },
  {
    name: 'path-with-query',
    file: rule({ to: { paths: ['/a?b'] } }),
    path: `${at}.to.paths[0]`,
    reason: /the query is not looked at/,
  },
  { name: 'relative-path', file: rule({ to: { paths: ['a'] } }), path: `${at}.to.paths[0]`, reason: /begins with \// },
  {
    name: 'star-beside-braces',
    file: rule({ to: { paths: ['/a/{*}*'] } }),
    path: `${at}.to.paths[0]`,
    reason: /\{\*\} or \{\*\*\}/,
  },
  {
    name: 'method-in-small-letters',
    file: rule({ to: { methods: ['get'] } }),
    path: `${at}.to.methods[0]`,
    reason: /in capitals/,
  },
  {
    name: 'host-with-scheme',
    file: rule({ to: { hosts: ['http://a'] } }),
    path: `${at}.to.hosts[0]`,
    reason: /without a scheme/,
  },
  {
    name: 'address-that-is-none',
    file: rule({ from: { ipBlocks: ['10.0.0.0/33'] } }),
    path: `${at}.from.ipBlocks[0]`,
    reason: /10\.0\.0\.0\/8/,
  },
  { name: 'condition-without-values', file: rule({ when: [{ header: 'x-a' }] }), path: `${at}.when[0]`, reason: /set `values`/ },
  {
    name: 'condition-of-nothing',
    file: rule({ when: [{ values: ['a'] }] }),
    path: `${at}.when[0]`,
    reason: /exactly one of header or claim/,
  },
  { name: 'custom-of-nobody', file: rule({ action: 'custom' }), path: `${at}.action`, reason: /name one with `authorizer`/ },
  { name: 'authorizer-for-nothing', file: rule({ authorizer: 'a' }), path: `${at}.authorizer`, reason: /`action: custom` only/ },
  {
    name: 'dry-run-of-an-audit',
    file: rule({ action: 'audit', dryRun: true }),
    path: `${at}.dryRun`,
    reason: /only `allow` and `deny`/,
  },
  {
    name: 'unknown-authorizer',
    file: rule({ action: 'custom', authorizer: 'opa' }),
    path: `${at}.authorizer`,
    reason: /expected a key of `inbound\.externalAuthorizers` \(there is none yet\)/,
  },
  {
    name: 'one-name-twice',
    file: { inbound: { mode: 'disabled', authorization: [{ name: 'r' }, { name: 'r' }] } },
    path: 'inbound.authorization[1].name',
    reason: /authorization\[0\] has this name too/,
  },
  {
    name: 'service-that-is-not-there',
    file: authorizer({ service: 'nobody' }),
    path: 'inbound.externalAuthorizers.a.service',
    reason: /add it to `services`/,
  },
  {
    name: 'prefix-for-grpc',
    file: authorizer({ pathPrefix: '/a' }),
    path: 'inbound.externalAuthorizers.a.pathPrefix',
    reason: /`protocol: http` only/,
  },
  {
    name: 'status-of-one-that-fails-open',
    file: authorizer({ failOpen: true, statusOnError: 503 }),
    path: 'inbound.externalAuthorizers.a.statusOnError',
    reason: /remove one of them/,
  },
  {
    name: 'part-of-no-body',
    file: authorizer({ allowPartialBody: true }),
    path: 'inbound.externalAuthorizers.a.allowPartialBody',
    reason: /set `maxBodyBytes`/,
  },
  { name: 'no-keys', file: provider({}), path: 'inbound.jwt.providers[0]', reason: /set `jwksUrl`.*or `jwks`/ },
  {
    name: 'keys-in-plaintext',
    file: provider({ jwksUrl: 'http://i/keys' }),
    path: 'inbound.jwt.providers[0].jwksUrl',
    reason: /use https, or name the service/,
  },
  {
    name: 'keys-of-nobody',
    file: provider({ jwksUrl: 'http://i/keys', jwksService: 'auth' }),
    path: 'inbound.jwt.providers[0].jwksService',
    reason: /add it to `services`/,
  },
  {
    name: 'key-that-is-secret',
    file: provider({ jwks: { keys: [{ kty: 'EC', d: 'x' }] } }),
    path: 'inbound.jwt.providers[0].jwks',
    reason: /renew that key/,
  },
  {
    name: 'keys-that-verify-nothing',
    file: provider({
      jwks: {
        keys: [
          { kty: 'EC', crv: 'P-256', x: 'x' },
          { kty: 'RSA', n: 'n', e: 'AQAB', use: 'enc' },
        ],
      },
    }),
    path: 'inbound.jwt.providers[0].jwks',
    reason: /no key that can verify a signature/,
  },
  {
    name: 'clocks-more-than-a-minute-apart',
    file: provider({ jwksUrl: 'https://i/keys', clockSkewMs: 60_001 }),
    path: 'inbound.jwt.providers[0].clockSkewMs',
    reason: /0 … 60000.*set the clocks/,
  },
  { name: 'no-key-set', file: provider({ jwks: 'x' }), path: 'inbound.jwt.providers[0].jwks', reason: /a JWK Set/ },
  {
    name: 'time-of-keys-that-are-not-fetched',
    file: provider({ jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x' }] }, jwksCacheMs: 5 }),
    path: 'inbound.jwt.providers[0].jwksCacheMs',
    reason: /belongs to `jwksUrl`/,
  },
  {
    name: 'no-audience',
    file: { inbound: { mode: 'disabled', jwt: { providers: [{ issuer: 'i', jwksUrl: 'https://i/k' }] } } },
    path: 'inbound.jwt.providers[0].audiences',
    reason: /the key is missing/,
  },
  {
    name: 'exempt-by-its-end',
    file: {
      inbound: {
        mode: 'disabled',
        jwt: { providers: [{ issuer: 'i', audiences: 'any', jwksUrl: 'https://i/k' }], exempt: ['*.css'] },
      },
    },
    path: 'inbound.jwt.exempt[0]',
    reason: /begins with \//,
  },
  {
    name: 'cookies-for-the-whole-world',
    file: { inbound: { mode: 'disabled', cors: { allowOrigins: ['*'], allowCredentials: true } } },
    path: 'inbound.cors.allowCredentials',
    reason: /name the origins/,
  },
  {
    name: 'admission-of-everything',
    file: { inbound: { mode: 'disabled', admission: {} } },
    path: 'inbound.admission',
    reason: /lets everything in/,
  },
  { name: 'no-limit', file: { inbound: { mode: 'disabled', limits: {} } }, path: 'inbound.limits', reason: /at least one limit/ },
  {
    name: 'text-of-an-access-log-in-json',
    file: { inbound: { mode: 'disabled', accessLogs: [{ template: '%PROTOCOL%' }] } },
    path: 'inbound.accessLogs[0].template',
    reason: /a text goes with `format: text`/,
  },
  {
    name: 'slowed-down-response',
    file: { inbound: { mode: 'disabled', fault: { responseBytesPerSecond: 5 } } },
    path: 'inbound.fault.responseBytesPerSecond',
    reason: /unknown key/,
  },
];

describe('a mistake in inbound', () => {
  for (const { name, file, path, reason } of mistakes) {
    it(name, async () => {
      const problems = await problemsOf(checkMeshObject(file, 'mesh.yaml'));
      assert.equal(problems.length, 1, problems.join('\n'));
      const [found = ''] = problems;
      assert.ok(found.startsWith(`${path} `), found);
      assert.match(found, reason);
    });
  }
});
