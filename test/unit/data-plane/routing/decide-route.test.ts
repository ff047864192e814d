import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { compileRouteTable } from '../../../../src/data-plane/routing/compile-routes.ts';
import type { CompiledVirtualHost } from '../../../../src/data-plane/routing/compiled-route.ts';
import { decideRoute, findRoute, type Draw, type RouteDecision } from '../../../../src/data-plane/routing/decide-route.ts';
import type { EditableRequest } from '../../../../src/data-plane/routing/edit-request.ts';
import type { RouteAction, RouteConfig, VirtualHostConfig } from '../../../../src/model/route.ts';

const to = (cluster: string, weight = 1) => ({ cluster, weight });
const route = (name: string, action: RouteAction, more: Partial<RouteConfig> = {}): RouteConfig => ({
  name,
  match: {},
  action,
  ...more,
});

function host(routes: readonly RouteConfig[], more: Partial<VirtualHostConfig> = {}): CompiledVirtualHost {
  const [compiled] = compileRouteTable({ name: 't', virtualHosts: [{ name: 'v', domains: ['*'], routes, ...more }] }, undefined, {
    source: 's',
    version: '1',
    slot: (name) => ({ name, isNamed: false, cluster: undefined }),
  });
  return compiled!.value;
}

const request = (more: Partial<EditableRequest> = {}): EditableRequest => ({
  method: 'GET',
  path: '/',
  scheme: 'http',
  authority: 'shop',
  ...more,
});

/** A decision in a word or two. */
function told(decision: RouteDecision): string {
  if (decision.kind === 'forward') return `${decision.route.name} to ${decision.cluster || 'nobody'}`;
  if (decision.kind === 'answer') return `${decision.route?.name ?? 'tls'}: ${decision.answer.status}`;
  return decision.kind === 'unsupported' ? `${decision.route.name} fails: ${decision.reason}` : decision.kind;
}

describe('a decision', () => {
  const forward: RouteAction = { kind: 'forward', to: [to('a')] };
  const rows: readonly {
    readonly name: string;
    readonly host: CompiledVirtualHost;
    readonly request?: Partial<EditableRequest>;
    readonly draw?: Draw;
    readonly told: string;
  }[] = [
    { name: 'forward', host: host([route('r', forward)]), told: 'r to a' },
    { name: 'no-route', host: host([]), told: 'no-route' },
    { name: 'unsupported', host: host([route('r', { kind: 'unsupported', reason: 'x' })]), told: 'r fails: x' },
    { name: 'redirect', host: host([route('r', { kind: 'redirect', status: 302 })]), told: 'r: 302' },
    { name: 'respond', host: host([route('r', { kind: 'respond', status: 503 })]), told: 'r: 503' },
    { name: 'no-weight', host: host([route('r', { kind: 'forward', to: [to('a', 0)] })]), told: 'r to nobody' },
    {
      name: 'answer-of-a-destination',
      host: host([route('r', { kind: 'forward', to: [{ ...to('a'), answer: { kind: 'respond', status: 500 } }] })]),
      told: 'r: 500',
    },
    {
      name: 'weights-by-a-whole-number',
      host: host([route('r', { kind: 'forward', to: [to('a', 30), to('b', 70)] })]),
      draw: 130,
      told: 'r to b',
    },
    {
      name: 'cluster-in-a-header',
      host: host([route('r', { kind: 'forward-by-header', header: 'X-Cluster' })]),
      request: { headers: { 'x-cluster': ['a', 'b'] } },
      told: 'r to a',
    },
    {
      name: 'no-cluster-in-a-header',
      host: host([route('r', { kind: 'forward-by-header', header: 'x-cluster' })]),
      told: 'r to nobody',
    },
    { name: 'tls-before-any-route', host: host([], { requireTls: 'all' }), told: 'tls: 301' },
    {
      name: 'tls-is-there',
      host: host([route('r', forward)], { requireTls: 'all' }),
      request: { scheme: 'https' },
      told: 'r to a',
    },
    {
      name: 'tls-in-front',
      host: host([route('r', forward)], { requireTls: 'all' }),
      request: { headers: { 'x-forwarded-proto': 'https' } },
      told: 'r to a',
    },
    { name: 'tls-for-outsiders', host: host([route('r', forward)], { requireTls: 'external' }), told: 'tls: 301' },
    {
      name: 'no-tls-for-insiders',
      host: host([route('r', forward)], { requireTls: 'external' }),
      request: { headers: { 'x-envoy-internal': 'true' } },
      told: 'r to a',
    },
  ];
  for (const row of rows) {
    it(`is made: ${row.name}`, () => assert.equal(told(decideRoute(row.host, request(row.request), row.draw ?? 0)), row.told));
  }
});

describe('shares of requests', () => {
  const share = (name: string, numerator: number): RouteConfig =>
    route(name, { kind: 'forward', to: [to(name)] }, { match: { fraction: { numerator, denominator: 100 } } });
  const shared = host([share('a', 20), share('b', 50), route('c', { kind: 'forward', to: [to('c')] })]);

  it('are taken of one number for all routes of a request, as Envoy takes them', () => {
    const found = (draw: Draw) => findRoute(shared, request(), draw)!.name;
    assert.deepEqual([0, 19, 20, 49, 50, 99, 119, 149].map(found), ['a', 'a', 'b', 'b', 'c', 'c', 'a', 'b']);
    const random = seededRandom(5);
    const counts = { a: 0, b: 0, c: 0 };
    for (let index = 0; index < 10_000; index++) counts[found(random) as 'a' | 'b' | 'c']++;
    // 20 %, then up to 50 %, then the rest; four standard deviations are 160, 183, 200.
    assert.ok(Math.abs(counts.a - 2000) < 160, `${counts.a}`);
    assert.ok(Math.abs(counts.b - 3000) < 183, `${counts.b}`);
    assert.ok(Math.abs(counts.c - 5000) < 200, `${counts.c}`);
  });

  it('need no number where no route takes one', () => {
    const plain = host([route('r', { kind: 'forward', to: [to('a')] })]);
    assert.equal(findRoute(plain, request(), () => assert.fail('no draw'))!.name, 'r');
  });
});
