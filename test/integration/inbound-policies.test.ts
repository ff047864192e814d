/** Every part of a policy on the way in, over real sockets: what is refused, and what the program and its caller see of what is not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { meshFetch, type Mesh } from 'meshfetch';
import type { ExternalAuthorizerConfig } from '../../src/model/authorization.ts';
import type { MeshRequest } from '../../src/model/inbound.ts';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import type { RouteConfig } from '../../src/model/route.ts';
import { allTo, endpointAt, staticCluster, type TestControlPlane } from '../support/cluster-plane.ts';
import { guardedServer, policyOf, send, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';
import { answer, startServer } from '../support/servers.ts';
import { ecKey, signToken } from '../support/token-issuer.ts';

type Seen = IncomingMessage & { readonly mesh?: MeshRequest };

const any = [{ kind: 'any' }] as const;

function routed(routes: readonly Omit<RouteConfig, 'name'>[], policy?: FilterChainConfig['policy']): Partial<FilterChainConfig> {
  const named = routes.map((route, index) => ({ name: `route-${index}`, ...route }));
  return {
    routes: { name: 'in', virtualHosts: [{ name: 'all', domains: ['*'], routes: named }] },
    ...(policy !== undefined && { policy }),
  };
}

const toProgram = { kind: 'forward', to: [{ cluster: 'program', weight: 1 }] } as const;

describe('tokens on the way in', () => {
  const key = ecKey();
  const jwks = JSON.stringify({ keys: [key.jwk({ kid: 'one', alg: key.alg })] });
  const token = (claims: object): string =>
    signToken(
      { alg: key.alg, kid: 'one' },
      { iss: 'https://issuer.example', sub: 'alice', exp: 4_102_444_800, ...claims },
      key.sign,
    );
  const chain: Partial<FilterChainConfig> = {
    jwt: [
      {
        name: 'issuer',
        issuer: 'https://issuer.example',
        audiences: ['orders'],
        jwks: { kind: 'inline', document: jwks },
        claimHeaders: [{ header: 'x-subject', claim: 'sub' }],
      },
    ],
    authorization: [policyOf('deny', [{ kind: 'claim', path: ['role'], match: { kind: 'exact', value: 'banned' } }])],
  };

  it('are asked for, verified, and told to the handler', async (t) => {
    let seen: Seen | undefined;
    const { plane, port } = await guardedServer(t, (request, response) => {
      seen = request;
      response.end();
    });
    await plane.deliver([wayIn(chain)]);
    const missing = await send(port);
    assert.deepEqual([missing.status, missing.body], [401, 'Jwt is missing']);
    assert.match(String(missing.headers['www-authenticate']), /^Bearer realm="http:\/\/127\.0\.0\.1:\d+\/"$/);
    assert.equal((await send(port, '/', { headers: { authorization: `Bearer ${token({ aud: 'others' })}` } })).status, 403);
    const headers = { authorization: `Bearer ${token({ aud: 'orders' })}`, 'x-subject': 'mallory' };
    for (const time of ['first', 'again']) assert.equal((await send(port, '/', { headers })).status, 200, time);
    assert.equal(seen?.mesh?.requestPrincipal, 'https://issuer.example/alice');
    assert.equal(seen?.mesh?.tokens[0]?.claims['aud'], 'orders');
    assert.equal(seen?.headers['x-subject'], 'alice');
  });

  it('have claims that rules look at', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end());
    await plane.deliver([wayIn(chain)]);
    const headers = { authorization: `Bearer ${token({ aud: 'orders', role: 'banned' })}` };
    const reply = await send(port, '/', { headers });
    assert.deepEqual([reply.status, reply.body], [403, 'RBAC: access denied']);
  });
});

describe('an authorizer that is asked', () => {
  const authorizer: ExternalAuthorizerConfig = {
    name: 'gate',
    protocol: 'http',
    cluster: 'gate',
    timeoutMs: 3_600_000,
    takenHeaders: [{ kind: 'exact', value: 'x-user' }],
    responseHeaders: [{ kind: 'exact', value: 'x-checked' }],
  };
  const ask = policyOf('custom', any, { provider: 'gate' });

  async function askedServer(
    t: TestContext,
    gate: (request: IncomingMessage, response: ServerResponse) => void,
    handler: (request: IncomingMessage, response: ServerResponse) => void,
    more: Partial<FilterChainConfig> = {},
  ): Promise<{ readonly port: number; readonly plane: TestControlPlane; readonly mesh: Mesh }> {
    const service = await startServer(gate);
    const { mesh, plane, port } = await guardedServer(t, handler);
    await plane.deliver([
      staticCluster('gate', [endpointAt(service.address)]),
      wayIn({ externalAuthorizers: [authorizer], authorization: [ask], ...more }),
    ]);
    return { mesh, plane, port };
  }

  it('lets a request go on, with what it says of it', async (t) => {
    let seen: IncomingMessage['headers'] | undefined;
    const { port } = await askedServer(
      t,
      (request, response) => {
        response.setHeader('x-user', 'alice').setHeader('x-checked', String(request.url));
        response.end();
      },
      (request, response) => {
        seen = request.headers;
        response.writeHead(201, { 'x-own': 'mine' }).end('made');
      },
    );
    const reply = await send(port, '/orders?x=1', { method: 'POST', body: 'all of it', headers: { 'x-user': 'mallory' } });
    assert.deepEqual([reply.status, reply.body], [201, 'made']);
    assert.equal(seen?.['x-user'], 'alice');
    assert.deepEqual([reply.headers['x-own'], reply.headers['x-checked']], ['mine', '/orders?x=1']);
  });

  it('refuses in its own words', async (t) => {
    const { port } = await askedServer(
      t,
      (_request, response) => void response.writeHead(402, { 'x-why': 'unpaid' }).end('pay first'),
      () => assert.fail('the handler must not see it'),
    );
    const reply = await send(port);
    assert.deepEqual([reply.status, reply.body, reply.headers['x-why']], [402, 'pay first', 'unpaid']);
  });

  it('is not asked about what is denied anyway', async (t) => {
    let asked = 0;
    const { port } = await askedServer(
      t,
      (_request, response) => {
        asked += 1;
        response.end();
      },
      (_request, response) => void response.end(),
      { authorization: [ask, policyOf('deny', [{ kind: 'path', match: { kind: 'exact', value: '/admin' } }])] },
    );
    assert.equal((await send(port, '/admin')).status, 403);
    assert.equal(asked, 0);
  });

  it('cannot let in what no rule allows, whatever it makes of the request', async (t) => {
    const role = { kind: 'header', header: { name: 'x-user', match: { kind: 'exact', value: 'alice' } } } as const;
    const { port } = await askedServer(
      t,
      (request, response) => void response.setHeader('x-user', request.url === '/a' ? 'alice' : 'bob').end(),
      (_request, response) => void response.end(),
      { authorization: [ask, policyOf('allow', [role])] },
    );
    assert.equal((await send(port, '/a')).status, 200);
    assert.equal((await send(port, '/b', { headers: { 'x-user': 'alice' } })).status, 403);
  });

  it('is asked no more about a caller that has left', async (t) => {
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const { mesh, port } = await askedServer(
      t,
      (_request, response) => {
        response.once('close', gone.resolve);
        arrived.resolve();
      },
      () => assert.fail('the handler must not see it'),
    );
    const socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await arrived.promise;
    socket.destroy();
    await gone.promise;
    await eventually('nothing is under way', () => mesh.status().inbound[0]!.requestsInFlight === 0);
  });

  it('is asked nothing through a mesh that is closed, whose doors refuse', async (t) => {
    let asked = 0;
    const { mesh, port } = await askedServer(
      t,
      (_request, response) => {
        asked++;
        response.end();
      },
      (_request, response) => response.end('in'),
    );
    assert.equal((await send(port)).body, 'in');
    await mesh.close();
    const { status, body, headers } = await send(port);
    assert.deepEqual([status, body, headers.connection, asked], [503, 'draining', 'close', 1]);
  });

  it('refuses where the policy names one that is not there', async (t) => {
    const { plane, port } = await guardedServer(t, () => assert.fail('the handler must not see it'));
    await plane.deliver([wayIn({ authorization: [ask] })]);
    assert.equal((await send(port)).status, 403);
  });
});

describe('limits and faults on the way in', () => {
  const none = { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 3_600_000 };

  it('refuse what is above a rate, and count on through another configuration', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end());
    await plane.deliver([wayIn({ rateLimit: none })]);
    assert.equal((await send(port)).status, 200);
    const reply = await send(port);
    assert.deepEqual([reply.status, reply.body, reply.headers['retry-after']], [429, 'local_rate_limited', '3600']);
    await plane.deliver([wayIn({ rateLimit: none, serverHeader: 'other' })]);
    assert.deepEqual([(await send(port)).status, (await send(port)).headers['server']], [429, 'other']);
  });

  it('take nothing for requests that are refused', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end());
    const denied = policyOf('deny', [{ kind: 'path', match: { kind: 'exact', value: '/admin' } }]);
    await plane.deliver([wayIn({ rateLimit: none, authorization: [denied] })]);
    assert.deepEqual(
      [(await send(port, '/admin')).status, (await send(port)).status, (await send(port)).status],
      [403, 200, 429],
    );
  });

  it('let a route have a limit of its own', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end());
    await plane.deliver([
      wayIn({
        rateLimit: { ...none, maxTokens: 100 },
        ...routed([
          { match: { path: { kind: 'prefix', value: '/slow' } }, action: toProgram, policy: { rateLimit: none } },
          { match: {}, action: toProgram },
        ]),
      }),
    ]);
    const statuses: number[] = [];
    for (const path of ['/slow', '/slow', '/', '/']) statuses.push((await send(port, path)).status);
    assert.deepEqual(statuses, [200, 429, 200, 200]);
  });

  it('answer on purpose', async (t) => {
    const { plane, port } = await guardedServer(t, () => assert.fail('the handler must not see it'));
    await plane.deliver([
      wayIn({ fault: { abort: { fraction: { numerator: 100, denominator: 100 }, httpStatus: 418, message: 'tea' } } }),
    ]);
    const reply = await send(port);
    assert.deepEqual([reply.status, reply.body], [418, 'tea']);
  });

  it('wait on purpose, and no longer than the caller is there', async (t) => {
    let calls = 0;
    const { mesh, plane, port } = await guardedServer(t, (_request, response) => void response.end(String(++calls)));
    const delayed = (fixedMs: number) =>
      wayIn({ fault: { delay: { fraction: { numerator: 100, denominator: 100 }, fixedMs }, maxActive: 1 } });
    await plane.deliver([delayed(5)]);
    assert.equal((await send(port)).body, '1');
    await plane.deliver([delayed(3_600_000)]);
    const socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await eventually('it is under way', () => mesh.status().inbound[0]!.requestsInFlight === 1);
    socket.destroy();
    await eventually('it is over', () => mesh.status().inbound[0]!.requestsInFlight === 0);
    assert.equal(calls, 1);
  });

  it('refuse what is above the places that there are, and give each back', async (t) => {
    const waiting: ServerResponse[] = [];
    const { mesh, plane, port } = await guardedServer(t, (_request, response) => void waiting.push(response));
    await plane.deliver([wayIn({ admission: { maxRequests: 2 } })]);
    const first = [send(port), send(port)];
    await eventually('two are under way', () => waiting.length === 2);
    const refused = await send(port);
    assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '1']);
    for (const response of waiting) response.end();
    assert.deepEqual(
      (await Promise.all(first)).map(({ status }) => status),
      [200, 200],
    );
    await eventually('nothing is under way', () => mesh.status().inbound[0]!.requestsInFlight === 0);
    const next = send(port);
    await eventually('a third is under way', () => waiting.length === 3);
    waiting[2]!.end();
    assert.equal((await next).status, 200);
  });

  it('give back the places of pipelined requests whose connection broke off', async (t) => {
    let arrived = 0;
    const { mesh, plane, port } = await guardedServer(t, () => void (arrived += 1));
    await plane.deliver([wayIn({ admission: { maxRequests: 5 } })]);
    const socket: Socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(3));
    await eventually('three are under way', () => arrived === 3);
    socket.destroy();
    await eventually('nothing is under way', () => mesh.status().inbound[0]!.requestsInFlight === 0);
  });
});

describe('routes on the way in', () => {
  it('answer themselves, edit requests and responses, and have rules of their own', async (t) => {
    const seen: (readonly [url: string | undefined, added: unknown])[] = [];
    const { plane, port } = await guardedServer(t, (request, response) => {
      seen.push([request.url, request.headers['x-added']]);
      response.writeHead(200, ['x-gone', '1', 'set-cookie', 'a=1', 'set-cookie', 'b=2']).end('program');
    });
    await plane.deliver([
      wayIn({
        authorization: [policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/open' } }])],
        ...routed([
          { match: { path: { kind: 'exact', value: '/old' } }, action: { kind: 'redirect', status: 301, path: '/new' } },
          { match: { path: { kind: 'exact', value: '/fixed' } }, action: { kind: 'respond', status: 410, body: 'gone' } },
          { match: { path: { kind: 'exact', value: '/open' } }, action: toProgram, policy: { authorization: [] } },
          {
            match: { path: { kind: 'prefix', value: '/edit' } },
            action: toProgram,
            policy: {
              requestHeaders: { set: [['x-added', 'yes']] },
              responseHeaders: { remove: ['x-gone'], add: [['x-new', '1']] },
            },
          },
        ]),
      }),
    ]);
    const old = await send(port, '/old');
    assert.deepEqual([old.status, old.headers['location']], [301, `http://127.0.0.1:${port}/new`]);
    const fixed = await send(port, '/fixed');
    assert.deepEqual([fixed.status, fixed.body], [410, 'gone']);
    assert.equal((await send(port, '/open')).status, 200);
    assert.equal((await send(port, '/open/x')).status, 403);
    assert.equal((await send(port, '/none')).status, 404);
    const edited = await send(port, '/edit', { headers: { 'x-added': 'no' } });
    assert.deepEqual([edited.headers['x-gone'], edited.headers['x-new']], [undefined, '1']);
    assert.deepEqual(edited.headers['set-cookie'], ['a=1', 'b=2']);
    assert.deepEqual(seen, [
      ['/open', undefined],
      ['/edit', 'yes'],
    ]);
  });

  it('carry out the policy of a chain that has none of them', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end());
    await plane.deliver([wayIn({ policy: { responseHeaders: { set: [['x-policy', 'chain']] } } })]);
    assert.equal((await send(port)).headers['x-policy'], 'chain');
  });

  it('tell pages of other origins what they may do', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end('data'));
    const cors = { allowOrigins: [{ kind: 'exact', value: 'https://shop.example' }], allowMethods: ['PUT'] } as const;
    await plane.deliver([wayIn({ policy: { cors } })]);
    const origin = 'https://shop.example';
    const preflight = await send(port, '/', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT' } });
    assert.deepEqual(
      [preflight.status, preflight.headers['access-control-allow-origin'], preflight.headers['access-control-allow-methods']],
      [200, origin, 'PUT'],
    );
    const reply = await send(port, '/', { headers: { origin } });
    assert.deepEqual([reply.body, reply.headers['access-control-allow-origin']], ['data', origin]);
    assert.equal(
      (await send(port, '/', { headers: { origin: 'https://evil.example' } })).headers['access-control-allow-origin'],
      undefined,
    );
  });

  it('answer a preflight before anybody looks for credentials, which a browser does not send with it', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end('data'));
    const origin = 'https://shop.example';
    const cors = { allowOrigins: [{ kind: 'exact', value: origin }], allowMethods: ['PUT'] } as const;
    const authorization = [policyOf('allow', [{ kind: 'method', match: { kind: 'exact', value: 'PUT' } }])];
    const jwks = { kind: 'inline', document: JSON.stringify({ keys: [ecKey().jwk({ kid: 'one' })] }) } as const;
    const preflight = (of: string) =>
      send(port, '/', { method: 'OPTIONS', headers: { origin: of, 'access-control-request-method': 'PUT' } });
    for (const more of [{ authorization }, { jwt: [{ name: 'login', issuer: 'https://login.example', audiences: [], jwks }] }]) {
      await plane.deliver([wayIn({ policy: { cors }, ...more })]);
      assert.equal((await preflight(origin)).headers['access-control-allow-methods'], 'PUT');
      assert.ok((await preflight('https://evil.example')).status > 400, 'no origin of the policy');
      const refused = await send(port, '/', { method: 'DELETE', headers: { origin } });
      assert.ok(refused.status > 400);
      assert.equal(refused.headers['access-control-allow-origin'], origin, 'the page may know that it was refused');
    }
    await plane.deliver([wayIn({ policy: { cors } }, { mode: 'strict' })]);
    assert.equal((await preflight(origin)).status, 403, 'the connection is not wanted');
  });

  it('refuse while the table that a chain names is not there', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end());
    await plane.deliver([wayIn({ routes: 'later' })]);
    assert.equal((await send(port)).status, 503);
    await plane.deliver([
      {
        kind: 'route-table',
        name: 'later',
        value: {
          name: 'later',
          virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ name: 'all', match: {}, action: toProgram }] }],
        },
      },
    ]);
    assert.equal((await send(port)).status, 200);
  });
});

describe('what a request hands on', () => {
  async function relay(
    t: TestContext,
    handler: (mesh: Mesh, request: IncomingMessage, response: ServerResponse) => void,
    chain: Partial<FilterChainConfig>,
  ) {
    const upstream = await startServer(answer('real'));
    const context = await guardedServer(t, (request, response) => handler(context.mesh, request, response));
    await context.plane.deliver([
      allTo('orders', 'orders'),
      staticCluster('orders', [endpointAt(upstream.address)]),
      wayIn(chain),
    ]);
    return { ...context, upstream };
  }

  const call = async (mesh: Mesh, response: ServerResponse): Promise<void> => {
    await (await mesh.fetch('http://orders/')).text();
    response.end();
  };

  it('is its deadline and the headers that the policy names', async (t) => {
    const { port, upstream } = await relay(t, (mesh, _request, response) => void call(mesh, response), {
      forwardHeaders: ['x-canary'],
    });
    await send(port, '/', { headers: { 'x-canary': 'blue', 'x-other': '1', 'x-envoy-expected-rq-timeout-ms': '60000' } });
    const [{ headers } = assert.fail()] = upstream.requests;
    assert.deepEqual([headers['x-canary'], headers['x-other']], ['blue', undefined]);
    const left = Number(headers['x-envoy-expected-rq-timeout-ms']);
    assert.ok(left > 50_000 && left <= 60_000, String(left));
  });

  it('reaches calls that are made when its body has ended', async (t) => {
    const { port, upstream } = await relay(
      t,
      (mesh, request, response) => void request.resume().on('end', () => void call(mesh, response)),
      { forwardHeaders: ['x-canary'] },
    );
    await send(port, '/', { method: 'POST', body: 'a body', headers: { 'x-canary': 'green' } });
    assert.equal(upstream.requests[0]!.headers['x-canary'], 'green');
  });

  it('is not how much it matters, from whoever is not trusted', async (t) => {
    let seen: Seen | undefined;
    const { port } = await relay(
      t,
      (_mesh, request, response) => {
        seen = request;
        response.end();
      },
      {},
    );
    await send(port, '/', {
      headers: { 'x-request-criticality': 'critical-plus', 'x-forwarded-client-cert': 'URI=spiffe://x/y' },
    });
    assert.equal(seen?.mesh?.criticality, 'critical');
    assert.equal(seen?.headers['x-request-criticality'], undefined);
    assert.equal(seen?.headers['x-forwarded-client-cert'], undefined);
  });

  it('does not reach a program that the caller no longer waits for', async (t) => {
    const { port } = await relay(t, () => assert.fail('the handler must not see it'), {
      fault: { delay: { fraction: { numerator: 100, denominator: 100 }, fixedMs: 30 } },
    });
    assert.equal((await send(port, '/', { headers: { 'x-envoy-expected-rq-timeout-ms': '5' } })).status, 504);
  });
});

describe('a handler', () => {
  it('is asked once, however many doors of the mesh a request passes', async (t) => {
    const { mesh, plane, port } = await guardedServer(t, (request, response) => {
      mesh.inbound().admit(request, response, (refusal) => {
        assert.equal(refusal, undefined);
        response.end('twice');
      });
    });
    await plane.deliver([wayIn({ rateLimit: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 3_600_000 } })]);
    assert.equal((await send(port)).body, 'twice');
  });

  it('throws what it throws, and no refusal is made of it', async (t) => {
    const { mesh, plane } = await guardedServer(t, () => {});
    await plane.deliver([wayIn()]);
    const door = mesh.inbound();
    const thrown = Promise.withResolvers<unknown>();
    const server = createServer((request, response) => {
      try {
        door.admit(request, response, () => {
          throw new RangeError('of the program');
        });
      } catch (error) {
        thrown.resolve(error);
      }
      response.end();
    });
    t.after(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await meshFetch(`http://127.0.0.1:${port}/`).catch(() => {});
    assert.ok((await thrown.promise) instanceof RangeError);
  });
});
