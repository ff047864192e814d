/** Routes of a way in, and the faults that they or their chain ask for. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, systemClock } from '../../../../src/base/runtime.ts';
import type { Authorizer } from '../../../../src/data-plane/inbound/authorizer.ts';
import { drawFault } from '../../../../src/data-plane/inbound/inbound-fault.ts';
import { compileInboundRoutes, isRoute, type InboundRoute } from '../../../../src/data-plane/inbound/inbound-routes.ts';
import type { RequestPolicy, RouteConfig } from '../../../../src/model/route.ts';
import { inboundRequest, type RequestParts } from '../../../support/access-request.ts';

const toProgram: RouteConfig['action'] = { kind: 'forward', to: [{ cluster: 'inbound|8080||', weight: 1 }] };
const nobody: Authorizer = {
  check: () => ({ kind: 'denied', details: 'test' }),
  checkAnswered: () => ({ kind: 'denied', details: 'test' }),
};

function find(
  routes: readonly Partial<RouteConfig>[],
  parts: RequestParts,
  more: { domains?: readonly string[]; outer?: RequestPolicy } = {},
) {
  const table = {
    name: 'inbound',
    virtualHosts: [
      {
        name: 'all',
        domains: more.domains ?? ['*'],
        routes: routes.map((route, index) => ({ name: `r${index}`, match: {}, action: toProgram, ...route })),
      },
    ],
  };
  const compiled = compileInboundRoutes(table, more.outer, {
    source: 'test',
    version: '1',
    clock: systemClock,
    random: seededRandom(1),
    compileAuthorizer: () => nobody,
  });
  const { access, node } = inboundRequest(parts);
  return { found: compiled.find(access, node), access, node };
}

function routeOf(found: ReturnType<typeof find>['found']): InboundRoute {
  assert.ok(isRoute(found), JSON.stringify(found));
  return found;
}

describe('a request that comes in', () => {
  it('has its route by every spelling of the path that the router of the program takes for one', () => {
    const pathSpelling = { ignoresCase: true, ignoresSlash: true };
    const guarded = {
      match: { path: { kind: 'exact', value: '/admin' }, methods: ['GET'] },
      policy: { authorization: [] },
    } as const;
    // Enough of them for an index, which looks a path up as it is written.
    const others = Array.from({ length: 10 }, (_, index) => ({
      match: { path: { kind: 'prefix', value: `/other${index}/` } as const },
    }));
    for (const path of ['/admin', '/ADMIN', '/admin/', '/Admin/?x=/y']) {
      const { found } = find([...others, guarded, {}], { path, pathSpelling });
      assert.equal(routeOf(found).authorizer, nobody, path);
    }
    assert.equal(routeOf(find([guarded, {}], { path: '/ADMIN' }).found).authorizer, undefined);
    assert.equal(routeOf(find([guarded, {}], { path: '/ADMIN', method: 'POST', pathSpelling }).found).name, 'r1');
  });

  it('meets the first route that matches, with the policy of that over the one of its chain', () => {
    const rateLimit = { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1 };
    const { found } = find(
      [{ match: { path: { kind: 'prefix', value: '/admin' } }, policy: { authorization: [] } }, {}],
      { path: '/admin/users' },
      { outer: { rateLimit } },
    );
    const route = routeOf(found);
    assert.deepEqual([route.name, route.authorizer, route.rateLimit], ['r0', nobody, rateLimit]);
    assert.equal(routeOf(find([{}], {}).found).authorizer, undefined, 'the rules of the chain hold');
  });

  it('is answered 404 where there is no route, or no host', () => {
    for (const { found } of [
      find([{ match: { path: { kind: 'exact', value: '/a' } } }], { path: '/b' }),
      find([{}], { authority: 'other' }, { domains: ['orders'] }),
    ]) {
      assert.ok(!isRoute(found));
      assert.deepEqual([found.status, found.details, found.flag], [404, 'route_not_found', 'NR']);
    }
  });

  it('is refused by a route of which a part cannot be carried out', () => {
    const { found } = find([{ action: { kind: 'unsupported', reason: 'lua' } }], {});
    assert.ok(!isRoute(found));
    assert.equal(found.status, 503);
  });

  it('finds its host by name and port, with the port of the scheme where it says none', () => {
    for (const authority of ['orders', 'orders:80']) routeOf(find([{}], { authority }, { domains: ['orders:80'] }).found);
    routeOf(find([{}], { authority: '[2001:db8::1]' }, { domains: ['[2001:db8::1]'] }).found);
  });

  it('is answered by a route that redirects or responds', () => {
    const redirected = find([{ action: { kind: 'redirect', status: 301, host: 'new.example.org' } }], { path: '/a?b=c' });
    const answer = routeOf(redirected.found).answer(redirected.access, redirected.node);
    assert.deepEqual([answer?.status, answer?.headers['location']], [301, 'http://new.example.org/a?b=c']);
    const responded = find([{ action: { kind: 'respond', status: 410, body: 'gone' } }], {});
    assert.equal(routeOf(responded.found).answer(responded.access, responded.node)?.body, 'gone');
  });

  it('is changed as the route says, in every view of its headers', () => {
    const { found, access, node } = find(
      [
        {
          action: { kind: 'forward', to: [{ cluster: 'app', weight: 1 }], pathRewrite: { kind: 'prefix', prefix: '/v2' } },
          match: { path: { kind: 'prefix', value: '/v1' } },
          policy: { requestHeaders: { remove: ['x-a'], set: [['x-b', 'set']] } },
        },
      ],
      {
        path: '/v1/orders?x=y',
        headers: [
          ['X-A', '1'],
          ['X-B', 'old'],
          ['X-C', 'kept'],
        ],
      },
    );
    routeOf(found).edit(access, node);
    assert.equal(node.url, '/v2/orders?x=y');
    assert.deepEqual(node.rawHeaders, ['host', 'orders', 'X-C', 'kept', 'x-b', 'set', 'x-envoy-original-path', '/v1/orders?x=y']);
  });
});

describe('a fault on the way in', () => {
  const always = { numerator: 100, denominator: 100 } as const;
  const view = { method: 'GET', path: '/', headers: [] };

  it('delays, and then answers', () => {
    const fault = drawFault(
      { delay: { fraction: always, fixedMs: 20 }, abort: { fraction: always, httpStatus: 418 } },
      view,
      seededRandom(1),
    );
    assert.equal(fault?.delayMs, 20);
    assert.deepEqual([fault?.refusal?.status, fault?.refusal?.flag, fault?.refusal?.details], [418, 'FI', 'fault_filter_abort']);
  });

  it('counts under maxActive until the request is over', () => {
    const config = { maxActive: 1, abort: { fraction: always, httpStatus: 500 } };
    const first = drawFault(config, view, seededRandom(1));
    assert.equal(drawFault(config, view, seededRandom(1)), undefined);
    first?.release();
    assert.notEqual(drawFault(config, view, seededRandom(1)), undefined);
  });
});
