/**
 * What a real istiod (1.31) makes of policies, as a way in: `<case>.istio.yaml` is what it was given, `<case>.in.json` the listener that
 * it sent to a workload of theirs (chains that the case is not about are cut off), `<case>.out.json` that listener in the words of the
 * model. `UPDATE_GOLDEN=1` writes the `.out.json` anew; read the difference before you commit it. The tables below say by hand what the
 * YAML means, so that a golden cannot be wrong in silence.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { examineEnvoy } from '../../../src/admin/examine-envoy.ts';
import { loadPatternEngine } from '../../../src/base/pattern.ts';
import { compileConnectionAuthorizer } from '../../../src/data-plane/inbound/connection-authorizer.ts';
import { inboundPeer } from '../../../src/data-plane/inbound/inbound-peer.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../../src/model/listener.ts';

const folder = new URL('./', import.meta.url);
const update = process.env['UPDATE_GOLDEN'] === '1';
const cases = readdirSync(folder)
  .filter((file) => file.endsWith('.in.json'))
  .map((file) => file.slice(0, -'.in.json'.length));

const examined = (name: string) =>
  examineEnvoy([JSON.parse(readFileSync(new URL(`${name}.in.json`, folder), 'utf8')) as object]);

const listeners = (name: string): readonly InboundListenerConfig[] =>
  examined(name).resources.flatMap(({ kind, value }) => (kind === 'listener' && value.direction === 'inbound' ? [value] : []));

/** The chain of the HTTP port. */
function httpChain(name: string): FilterChainConfig {
  const listener = listeners(name).find(({ port }) => port === 8080);
  assert.ok(listener !== undefined);
  return listener.filterChains[0]!;
}

before(() => loadPatternEngine());

describe('what istiod sends to a workload, in the words of the model', () => {
  for (const name of cases) {
    it(name, () => {
      const { resources, problems, unhonoured, refused } = examined(name);
      const told = (list: typeof problems) => list.map(({ key, path, reason }) => `${key.kind} ${key.name} ${path}: ${reason}`);
      assert.deepEqual([told(problems), told(refused)], [[], []]);
      const result: unknown = JSON.parse(
        JSON.stringify({ listeners: resources.map(({ value }) => value), unhonoured: told(unhonoured) }),
      );
      const golden = new URL(`${name}.out.json`, folder);
      if (update) writeFileSync(golden, `${JSON.stringify(result, undefined, 2)}\n`);
      assert.deepEqual(result, JSON.parse(readFileSync(golden, 'utf8')));
    });
  }
});

describe('a PeerAuthentication', () => {
  const rows = [
    { name: 'permissive-with-ports', modes: { 6000: 'permissive', 7000: 'disabled', 8080: 'permissive', 9000: 'strict', others: 'permissive' } },
    { name: 'strict', modes: { 6000: 'strict', 7000: 'strict', 8080: 'strict', 9000: 'strict', others: 'strict' } },
  ];
  for (const { name, modes } of rows) {
    it(`gives each port its mode: ${name}`, () => {
      const found = Object.fromEntries(listeners(name).map(({ port, mode }) => [port ?? 'others', mode]));
      assert.deepEqual(found, modes);
    });

    it(`asks for a certificate of the trust domain wherever it speaks TLS: ${name}`, () => {
      const secured = listeners(name).flatMap(({ filterChains }) => filterChains.flatMap(({ tls }) => tls ?? []));
      assert.ok(secured.length >= 5);
      for (const { identity, trust, requireClientCertificate, peers } of secured) {
        assert.deepEqual([identity, trust, requireClientCertificate], ['default', 'ROOTCA', true]);
        assert.ok(peers.some((peer) => peer.kind === 'uri' && peer.match === 'prefix' && peer.value === 'spiffe://cluster.local/'));
      }
    });
  }

  it('leaves nothing of the port of the proxy itself', () => {
    assert.ok(!listeners('strict').some(({ port }) => port === 15_006));
  });

  it('names the certificates of a server without a proxy by its certificate provider', () => {
    const { tls } = httpChain('server-of-grpc');
    assert.deepEqual([tls?.identity, tls?.trust, tls?.requireClientCertificate], ['provider:default', 'provider:default', true]);
    assert.deepEqual(
      listeners('server-of-grpc').map(({ name, port, mode }) => [name, port, mode]),
      [['xds.istio.io/grpc/lds/inbound/0.0.0.0:8080', 8080, 'strict']],
    );
  });
});

describe('an AuthorizationPolicy', () => {
  const policies = (name: string) =>
    httpChain(name).authorization.map(({ name: policy, action, dryRun = false, rules }) => [policy, action, dryRun, rules.length]);

  it('keeps its name and its action, in the order of Istio', () => {
    assert.deepEqual(policies('deny-allow-audit-dry-run'), [
      ['ns[bank]-policy[watch]', 'audit', false, 1],
      ['ns[bank]-policy[no-admin]', 'deny', false, 2],
      ['ns[bank]-policy[trial]', 'deny', true, 1],
      ['ns[bank]-policy[only-tellers]', 'allow', false, 2],
    ]);
  });

  it('allows nobody when it has no rules', () => {
    const never = { kind: 'not', of: { kind: 'any' } };
    const name = 'ns[bank]-policy[nobody]-rule[0]';
    assert.deepEqual(httpChain('allow-nothing').authorization, [
      { name: 'ns[bank]-policy[nobody]', action: 'allow', rules: [{ name, principals: [never], permissions: [never] }] },
    ]);
  });

  it('denies everything by an empty rule', () => {
    const [policy] = httpChain('deny-everything').authorization;
    assert.deepEqual(policy, {
      name: 'ns[bank]-policy[everybody-out]',
      action: 'deny',
      rules: [{ name: 'ns[bank]-policy[everybody-out]-rule[0]', principals: [{ kind: 'any' }], permissions: [{ kind: 'any' }] }],
    });
  });

  it('says of claims what the YAML says: a text or an element of a list, and nested ones', () => {
    const [policy] = httpChain('claims-of-tokens').authorization;
    const text = JSON.stringify(policy);
    for (const part of [
      '{"kind":"claim","path":["role"],"match":{"kind":"exact","value":"teller"}}',
      '{"kind":"claim","path":["role"],"match":{"kind":"prefix","value":"head"}}',
      '{"kind":"not","of":{"kind":"claim","path":["realm","roles"],"match":{"kind":"exact","value":"guest"}}}',
      '{"kind":"claim","path":["iss"],"match":{"kind":"exact","value":"https://issuer.bank.example"},"elements":"never"}',
    ])
      assert.ok(text.includes(part), part);
  });

  it('can never match by a claim where no token is read', () => {
    const policy = httpChain('server-of-grpc').authorization.find(({ action }) => action === 'allow');
    assert.ok(JSON.stringify(policy).includes('{"kind":"not","of":{"kind":"any"}}'));
    assert.ok(!JSON.stringify(policy).includes('"claim"'));
  });

  it('asks the authorizer that CUSTOM names, about its paths alone', () => {
    for (const [name, provider, protocol] of [
      ['custom-over-grpc', 'checker', 'grpc'],
      ['custom-over-http', 'asker', 'http'],
    ] as const) {
      const { authorization, externalAuthorizers } = httpChain(name);
      assert.deepEqual(authorization, [
        {
          name: 'ns[bank]-policy[ask]',
          action: 'custom',
          provider,
          rules: [
            {
              name: `istio-ext-authz-${provider}-ns[bank]-policy[ask]-rule[0]`,
              principals: [{ kind: 'any' }],
              permissions: [{ kind: 'path', match: { kind: 'prefix', value: '/transfer/' } }],
            },
          ],
        },
      ]);
      assert.deepEqual(externalAuthorizers?.map((each) => [each.name, each.protocol, each.failOpen]), [[provider, protocol, false]]);
    }
  });

  it('holds for raw connections by the rules that can be told there', () => {
    const chain = listeners('deny-allow-audit-dry-run').find(({ port }) => port === 7000)?.filterChains[0];
    assert.equal(chain?.protocol, 'opaque');
    assert.deepEqual(
      chain.connectionAuthorization?.map(({ action, dryRun = false, rules }) => [action, dryRun, rules.length]),
      [
        ['audit', false, 1],
        ['deny', false, 2],
        ['deny', true, 1],
        // Its rules are about HTTP, so that it allows no connection.
        ['allow', false, 0],
      ],
    );
  });
});

describe('a port that is not HTTP', () => {
  const caller = {
    isTls: true,
    protocol: 'http/1.1',
    serverName: undefined,
    offeredAlpn: ['istio'],
    directAddress: '192.0.2.9',
    peerAddress: '192.0.2.9',
    localAddress: '192.0.2.1',
    localPort: 7000,
    peer: inboundPeer(undefined, '192.0.2.9'),
    identity: { uris: ['spiffe://cluster.local/ns/shop/sa/web'], dnsNames: [], ipAddresses: [], emails: [] },
    certificate: undefined,
  } as const;
  const rows = [
    // Nobody can be asked about a connection.
    { name: 'custom-over-grpc', verdict: 'rbac_access_denied_matched_policy[istio-ext-authz-checker-ns[bank]-policy[ask]-rule[0]]' },
    // The ALLOW speaks of HTTP alone, so that it allows no connection.
    { name: 'deny-allow-audit-dry-run', verdict: 'rbac_access_denied_matched_policy[none]' },
    { name: 'strict', verdict: undefined },
  ];
  for (const { name, verdict } of rows)
    it(`takes connections by what the policy says of them: ${name}`, () => {
      const chain = listeners(name).find(({ port }) => port === 7000)!.filterChains[0]!;
      assert.deepEqual([chain.protocol, chain.authorization], ['opaque', []]);
      const found = chain.connectionAuthorization && compileConnectionAuthorizer(chain.connectionAuthorization).check(caller);
      assert.equal(found?.kind === 'denied' ? found.details : found, verdict);
    });
});

describe('a RequestAuthentication', () => {
  it('of one issuer lets requests without a token pass', () => {
    const { jwt, jwtRules } = httpChain('token-of-one-issuer');
    assert.deepEqual(
      jwt?.map(({ name, issuer, audiences, allowMissing, forward }) => [name, issuer, audiences, allowMissing, forward]),
      [['origins-0', 'https://issuer.bank.example', ['wallet'], true, true]],
    );
    assert.equal(jwtRules, undefined);
  });

  it('of two issuers takes a token of either', () => {
    const { jwt, jwtRules } = httpChain('claims-of-tokens');
    assert.deepEqual(jwt?.map(({ issuer }) => issuer), ['https://issuer.bank.example', 'https://other.example']);
    assert.deepEqual(jwt[0]?.listClaims, ['permission', 'scope']);
    assert.equal(jwtRules?.length, 1);
    assert.equal(jwtRules[0]?.requires?.kind, 'some');
  });
});

describe('an EnvoyFilter', () => {
  it('changes what the mesh takes over, and refuses requests by a filter that is not run', () => {
    const { rateLimit, pathNormalization, trustedHops, serverHeader, authorization } = httpChain('envoy-filter');
    assert.deepEqual(rateLimit, { maxTokens: 100, tokensPerFill: 100, fillIntervalMs: 60_000 });
    assert.equal(pathNormalization?.escapedSlashes, 'reject');
    assert.equal(trustedHops, 2);
    assert.equal(serverHeader, undefined);
    assert.deepEqual(authorization.map(({ name, action }) => [name, action]), [['envoy.filters.http.lua', 'deny']]);
  });
});
