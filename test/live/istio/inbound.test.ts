/**
 * A port of the mesh under the policy of a real istiod: PeerAuthentication, AuthorizationPolicy and RequestAuthentication hold as they do
 * in a sidecar, and what is edited is in force within a second.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { InboundServer, Mesh } from '../../../src/index.ts';
import { systemClock } from '../../../src/base/runtime.ts';
import type { MeshRequest } from '../../../src/model/inbound.ts';
import type { AuthorizationShadowEvent, InboundEndEvent, InboundRefusedEvent } from '../../../src/telemetry/inbound-events.ts';
import { callerAs, plaintextCaller, type Asked, type Caller } from './caller.ts';
import { hostOf, serviceOf } from './documents.ts';
import { startIstiod, type Istiod, type IstioDocument } from './istiod.ts';
import { meshIn, until } from './mesh-in-pod.ts';
import { accessOf, peersOf, tokensOf } from './security-documents.ts';
import { startSidecar, type Sidecar } from './sidecar.ts';

/** Port of the app as its service says; the one that is bound is any that is free. */
const appPort = 8080;

/** Port that is TCP to istiod. */
const rawPort = 7000;

/** An edit of a policy is in force this soon. */
const limitMs = 1000;

describe('a port under the policy of a real istiod', { timeout: 180_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let server: InboundServer;
  let authorizer: Server;
  let plaintext: Caller;
  let asWeb: Caller;
  let asOps: Caller;
  const refusals: InboundRefusedEvent[] = [];
  const shadows: AuthorizationShadowEvent[] = [];
  const ends: InboundEndEvent[] = [];
  const onEnd = (event: unknown): void => void ends.push(event as InboundEndEvent);
  const onRefused = (event: unknown): void => void refusals.push(event as InboundRefusedEvent);
  const onShadow = (event: unknown): void => void shadows.push(event as AuthorizationShadowEvent);

  before(async () => {
    // Not one of the helpers: these end with the hook that starts them.
    authorizer = createServer((request, response) => {
      response.statusCode = request.headers['x-password'] === 'open-sesame' ? 200 : 403;
      response.setHeader('x-asked-for', request.url!);
      response.end('said by the authorizer');
    }).listen(0, '127.0.0.1');
    await once(authorizer, 'listening');
    const extensionProviders = [
      {
        name: 'doorman',
        envoyExtAuthzHttp: {
          service: hostOf('doorman'),
          port: 80,
          includeRequestHeadersInCheck: ['x-password'],
          headersToDownstreamOnDeny: ['x-asked-for'],
          pathPrefix: '/check',
        },
      },
    ];
    istiod = await startIstiod({ meshConfig: { extensionProviders, pathNormalization: { normalization: 'MERGE_SLASHES' } } });
    await istiod.configure('services', [
      serviceOf('web', [{ port: appPort, address: '192.0.2.9', isInMesh: true }]),
      serviceOf('store', [{ port: rawPort, address: '192.0.2.9', isInMesh: true }], 'TCP'),
      serviceOf('doorman', [{ port: (authorizer.address() as AddressInfo).port }]),
    ]);
    ({ mesh } = await meshIn(istiod));
    server = await mesh.listen(app, { port: 0, host: '127.0.0.1', policyPort: appPort });
    plaintext = plaintextCaller(server.port);
    asWeb = await callerAs(istiod, server.port, 'shop', 'web');
    asOps = await callerAs(istiod, server.port, 'ops', 'operator');
    subscribe('meshfetch:inbound:end', onEnd);
    subscribe('meshfetch:inbound:refused', onRefused);
    subscribe('meshfetch:authorization:shadow', onShadow);
    await until(async () => (await plaintext('/')).status === 200 || undefined);
  });
  after(async () => {
    unsubscribe('meshfetch:inbound:end', onEnd);
    unsubscribe('meshfetch:inbound:refused', onRefused);
    unsubscribe('meshfetch:authorization:shadow', onShadow);
    await mesh?.close();
    authorizer?.closeAllConnections();
    authorizer?.close();
    await istiod?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await istiod.configure('policy', []);
    await until(async () => ((await asWeb('/any')).status === 200 && (await plaintext('/any')).status === 200) || undefined);
    refusals.length = 0;
    shadows.length = 0;
    ends.length = 0;
  });

  /** Writes the policy, and waits until this caller is answered so; gives the milliseconds that it took. */
  async function enforce(documents: readonly IstioDocument[], caller: Caller, path: string, status: number, asked?: Asked) {
    const startMs = performance.now();
    await istiod.configure('policy', documents);
    await until(async () => (await caller(path, asked)).status === status || undefined);
    return performance.now() - startMs;
  }

  it('takes mutual TLS and plaintext where nobody says anything else, and knows who calls', async () => {
    const secured = await asWeb('/orders');
    assert.deepEqual([secured.status, secured.body], [200, 'spiffe://cluster.local/ns/shop/sa/web']);
    assert.equal((await asOps('/')).body, 'spiffe://cluster.local/ns/ops/sa/operator');
    assert.deepEqual((await plaintext('/')).body, 'nobody');
  });

  it('takes mutual TLS alone under STRICT, and plaintext again after it', async () => {
    await enforce([peersOf('STRICT')], plaintext, '/', 403);
    assert.equal((await plaintext('/')).body, 'this port takes mutual TLS only');
    assert.equal((await asWeb('/')).status, 200);
    await enforce([peersOf('PERMISSIVE')], plaintext, '/', 200);
    assert.equal((await asWeb('/')).status, 200);
  });

  it('takes no TLS under DISABLE', async () => {
    await enforce([peersOf('DISABLE')], asWeb, '/', 0);
    assert.equal((await plaintext('/')).status, 200);
  });

  it('lets in whom an ALLOW names, for what it names', async () => {
    const spec = {
      action: 'ALLOW',
      rules: [
        {
          from: [{ source: { principals: ['cluster.local/ns/shop/sa/web'] } }],
          to: [{ operation: { methods: ['GET'], paths: ['/orders/*'] } }],
        },
      ],
    };
    await enforce([accessOf('readers', spec)], asOps, '/orders/1', 403);
    assert.equal((await asWeb('/orders/1')).status, 200);
    assert.equal((await asWeb('/orders/1', { method: 'POST' })).status, 403);
    assert.equal((await asWeb('/admin')).status, 403);
    assert.equal((await plaintext('/orders/1')).status, 403);
    assert.equal((await asWeb('//orders/./1')).status, 200);
    const refused = await asOps('/orders/1');
    assert.equal(refused.body, 'RBAC: access denied');
    assert.equal(refusals.at(-1)?.details, 'rbac_access_denied_matched_policy[none]');
    assert.equal(refusals.at(-1)?.peer, 'spiffe://cluster.local/ns/ops/sa/operator');
  });

  it('refuses what a DENY names, whoever allows it, and says which policy it was', async () => {
    const deny = {
      action: 'DENY',
      rules: [{ from: [{ source: { notNamespaces: ['ops'] } }], to: [{ operation: { paths: ['/admin*'] } }] }],
    };
    await enforce([accessOf('no-admin', deny), accessOf('all', { action: 'ALLOW', rules: [{}] })], asWeb, '/admin/users', 403);
    assert.equal(refusals.at(-1)?.details, 'rbac_access_denied_matched_policy[ns[shop]-policy[no-admin]-rule[0]]');
    assert.equal((await asOps('/admin/users')).status, 200);
    assert.equal((await asWeb('/')).status, 200);
    for (const path of ['//admin', '/x/../admin', '/%61dmin']) assert.equal((await asWeb(path)).status, 403, path);
  });

  it('tells what a dry run would do and what is audited, and does nothing', async () => {
    const rules = [{ to: [{ operation: { methods: ['DELETE'] } }] }];
    await istiod.configure('policy', [
      accessOf('trial', { action: 'DENY', rules }, true),
      accessOf('watch', { action: 'AUDIT', rules }),
    ]);
    await until(async () => {
      assert.equal((await asWeb('/', { method: 'DELETE' })).status, 200);
      return shadows.length > 1 || undefined;
    });
    const told = new Set(shadows.map(({ kind, verdict, policy }) => `${kind} ${verdict} ${policy}`));
    assert.deepEqual([...told].toSorted(), [
      'audit matched ns[shop]-policy[watch]-rule[0]',
      'dry-run denied ns[shop]-policy[trial]-rule[0]',
    ]);
  });

  it('asks the authorizer of a CUSTOM policy, a service of the mesh', async () => {
    const custom = { action: 'CUSTOM', provider: { name: 'doorman' }, rules: [{ to: [{ operation: { paths: ['/vault*'] } }] }] };
    await istiod.configure('policy', [accessOf('ask', custom)]);
    // Refused as well until the endpoints of the authorizer have come.
    const refused = await until(async () => {
      const reply = await asWeb('/vault/1');
      return reply.body === 'said by the authorizer' ? reply : undefined;
    });
    assert.equal(refused.status, 403);
    assert.equal(refused.headers['x-asked-for'], '/check/vault/1');
    assert.equal((await asWeb('/vault/1', { headers: { 'x-password': 'open-sesame' } })).status, 200);
    assert.equal((await asWeb('/')).status, 200);
  });

  it('verifies tokens, and asks for one where a policy wants its principal', async () => {
    const issuer = tokenIssuer('https://issuer.shop.example');
    const allow = {
      action: 'ALLOW',
      rules: [{ from: [{ source: { requestPrincipals: ['https://issuer.shop.example/ann'] } }] }],
    };
    const tokens = tokensOf([{ issuer: issuer.name, audiences: ['web'], jwks: issuer.jwks }]);
    const bearer = (token: string): Asked => ({ headers: { authorization: `Bearer ${token}` } });
    await enforce([tokens], asWeb, '/', 401, bearer('nonsense'));
    assert.equal((await asWeb('/')).status, 200);

    await enforce([tokens, accessOf('ann', allow)], asWeb, '/', 403);
    assert.equal((await asWeb('/', bearer(issuer.token({ sub: 'ann', aud: 'web' })))).status, 200);
    assert.equal((await asWeb('/', bearer(issuer.token({ sub: 'bob', aud: 'web' })))).status, 403);
    assert.equal((await asWeb('/', bearer(issuer.token({ sub: 'ann', aud: 'other' })))).status, 403);
    const stranger = tokenIssuer('https://issuer.shop.example');
    const forged = await asWeb('/', bearer(stranger.token({ sub: 'ann', aud: 'web' })));
    assert.deepEqual([forged.status, forged.body], [401, 'Jwt verification fails']);
    const late = issuer.token({ sub: 'ann', aud: 'web', exp: 1 });
    assert.deepEqual((await asWeb('/', bearer(late))).body, 'Jwt is expired');
  });

  it('has an edit of each kind of policy in force within a second', async () => {
    const deny = accessOf('closed', { action: 'DENY', rules: [{}] });
    const issuer = tokenIssuer('https://issuer.shop.example');
    const bad: Asked = { headers: { authorization: 'Bearer nonsense' } };
    const took: Record<string, number> = {
      clean: await enforce([], asWeb, '/', 200),
      'AuthorizationPolicy on': await enforce([deny], asWeb, '/', 403),
      'AuthorizationPolicy off': await enforce([], asWeb, '/', 200),
      'PeerAuthentication on': await enforce([peersOf('STRICT')], plaintext, '/', 403),
      'PeerAuthentication off': await enforce([], plaintext, '/', 200),
      'RequestAuthentication on': await enforce([tokensOf([{ issuer: issuer.name, jwks: issuer.jwks }])], asWeb, '/', 401, bad),
      'RequestAuthentication off': await enforce([], asWeb, '/', 200, bad),
    };
    for (const [edit, ms] of Object.entries(took)) assert.ok(ms < limitMs, `${edit} took ${ms.toFixed(0)} ms`);
  });

  it('lets connections in to a port that is TCP by who connects and to where, and leaves what they say to the program', async () => {
    const raw = await mesh.listen(app, { port: 0, host: '127.0.0.1', policyPort: rawPort });
    try {
      const [web, ops] = [
        await callerAs(istiod, raw.port, 'shop', 'web', ['istio']),
        await callerAs(istiod, raw.port, 'ops', 'operator', ['istio']),
      ];
      const inPlaintext = plaintextCaller(raw.port);
      const allow = (principal: string, port: number) =>
        accessOf('store', {
          action: 'ALLOW',
          rules: [{ from: [{ source: { principals: [principal] } }], to: [{ operation: { ports: [String(port)] } }] }],
        });
      const ofWeb = 'cluster.local/ns/shop/sa/web';
      await until(async () => (await web('/')).status === 200 || undefined);
      assert.equal((await inPlaintext('/')).body, 'nobody');
      await enforce([allow(ofWeb, rawPort)], ops, '/', 0);
      assert.equal((await web('/any')).body, 'spiffe://cluster.local/ns/shop/sa/web');
      assert.equal((await inPlaintext('/')).status, 0);
      await enforce([allow(ofWeb, appPort)], web, '/', 0);
      // What speaks of HTTP holds for no connection: DENY has the rest of its rule, as in a sidecar.
      const noDeletes = { action: 'DENY', rules: [{ to: [{ operation: { methods: ['DELETE'], ports: [String(rawPort)] } }] }] };
      await enforce([accessOf('store', noDeletes)], web, '/', 0);
      assert.equal((await asWeb('/')).status, 200);
      await enforce([peersOf('STRICT')], inPlaintext, '/', 403);
      assert.equal((await web('/')).status, 200);
    } finally {
      await raw.close();
    }
  });

  for (const protocol of ['HTTP/1.1', 'HTTP/2'] as const) {
    it(`serves a sidecar of Istio over ${protocol} under STRICT`, async () => {
      await enforce([peersOf('STRICT')], plaintext, '/', 403);
      const sidecar: Sidecar = await startSidecar(istiod, { serviceAccount: 'caller', to: server.port, protocol });
      try {
        const reply = await plaintextCaller(sidecar.port)('/orders');
        assert.deepEqual([reply.status, reply.body], [200, 'spiffe://cluster.local/ns/shop/sa/caller']);
        assert.equal(ends.find(({ path }) => path === '/orders')?.protocol, protocol === 'HTTP/2' ? '2' : '1.1');
        await enforce(
          [peersOf('STRICT'), accessOf('closed', { action: 'DENY', rules: [{}] })],
          plaintextCaller(sidecar.port),
          '/',
          403,
        );
      } finally {
        await sidecar.stop();
      }
    });
  }

  it('keeps the policy when istiod is gone', async () => {
    await enforce([accessOf('closed', { action: 'DENY', rules: [{}] })], asWeb, '/', 403);
    await istiod.stop();
    assert.equal((await asWeb('/')).status, 403);
    await istiod.restart();
    assert.equal((await asWeb('/')).status, 403);
    await enforce([], asWeb, '/', 200);
  });
});

describe('a port that istiod has said nothing about yet', { timeout: 60_000 }, () => {
  it('takes no request before the policy has come', async () => {
    const istiod = await startIstiod();
    await using _ = istiod;
    await istiod.stop();
    const { mesh } = await meshIn(istiod);
    await using __ = mesh;
    const server = await mesh.listen(app, { port: 0, host: '127.0.0.1', policyPort: appPort });
    assert.equal((await plaintextCaller(server.port)('/')).status, 503);
    await istiod.restart();
    await until(async () => (await plaintextCaller(server.port)('/')).status === 200 || undefined);
  });
});

function app(request: IncomingMessage & { mesh?: MeshRequest }, response: ServerResponse): void {
  response.end(request.mesh?.peer.spiffeId ?? 'nobody');
}

interface TokenIssuer {
  readonly name: string;
  readonly jwks: string;
  token(claims: Readonly<Record<string, unknown>>): string;
}

/** Signs tokens with a key of its own, good for an hour unless the claims say another time. */
function tokenIssuer(name: string): TokenIssuer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    name,
    jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' }] }),
    token(claims) {
      const nowSeconds = Math.floor(systemClock.wallNow() / 1000);
      const signed = `${part({ alg: 'ES256', kid: 'k1' })}.${part({ iss: name, iat: nowSeconds, exp: nowSeconds + 3600, ...claims })}`;
      const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${signed}.${signature.toString('base64url')}`;
    },
  };
}
