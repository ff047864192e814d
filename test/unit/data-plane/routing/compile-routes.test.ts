import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { compileRouteTable } from '../../../../src/data-plane/routing/compile-routes.ts';
import type { CompiledRoute } from '../../../../src/data-plane/routing/compiled-route.ts';
import { chooseDestination, findRoute } from '../../../../src/data-plane/routing/decide-route.ts';
import type { RetryConfig } from '../../../../src/model/policy.ts';
import type { RequestPolicy, RouteAction, RouteConfig, RouteTableConfig } from '../../../../src/model/route.ts';

const forward = (...to: readonly { cluster: string; weight: number }[]): RouteAction => ({
  kind: 'forward',
  to: to.length === 0 ? [{ cluster: 'c', weight: 1 }] : to,
});
const route = (more: Partial<RouteConfig> = {}): RouteConfig => ({ name: 'r', match: {}, action: forward(), ...more });
const retry = (more: Partial<RetryConfig> = {}): RetryConfig => ({ maxAttempts: 3, on: ['reset'], ...more });

function compile(
  routes: readonly RouteConfig[],
  policies: { host?: RequestPolicy; table?: RequestPolicy; listener?: RequestPolicy } = {},
): readonly CompiledRoute[] {
  const table: RouteTableConfig = {
    name: 't',
    virtualHosts: [{ name: 'v', domains: ['*'], routes, ...(policies.host && { policy: policies.host }) }],
    ...(policies.table && { policy: policies.table }),
  };
  const [host] = compileRouteTable(table, policies.listener, {
    source: 's',
    version: '1',
    slot: (name) => ({ name, isNamed: false, cluster: undefined }),
  });
  return host!.value.routes;
}

describe('the policy of a route', () => {
  it('is that of the nearest place, field by field', () => {
    const [first, second] = compile([route({ policy: { timeoutMs: 1 } }), route()], {
      host: { timeoutMs: 2, retry: retry({ maxAttempts: 2 }) },
      table: { timeoutMs: 3, retry: retry({ maxAttempts: 5 }) },
      listener: { timeoutMs: 4 },
    });
    assert.equal(first!.timeoutMs, 1);
    assert.equal(first!.retry?.maxAttempts, 2);
    assert.equal(second!.timeoutMs, 2);
    const [third] = compile([route()], { listener: { timeoutMs: 4 }, table: { retry: retry() } });
    assert.equal(third!.timeoutMs, 4);
    assert.equal(third!.retry?.maxAttempts, 3);
  });

  it('has no time limit and no retries where nobody set them', () => {
    const [only] = compile([route()]);
    assert.equal(only!.timeoutMs, 0);
    assert.equal(only!.retry, undefined);
    assert.equal(only!.retriesSuccess, false);
  });

  it('keeps the limit of one attempt although there is only one', () => {
    assert.equal(compile([route({ policy: { retry: retry({ maxAttempts: 1 }) } })])[0]!.retry, undefined);
    const [timed] = compile([route({ policy: { retry: retry({ maxAttempts: 1, perTryTimeoutMs: 5 }) } })]);
    assert.equal(timed!.retry?.perTryTimeoutMs, 5);
  });

  const looks: readonly { readonly name: string; readonly retry: RetryConfig; readonly retriesSuccess: boolean }[] = [
    { name: 'reset', retry: retry(), retriesSuccess: false },
    { name: 'status-503', retry: retry({ on: ['retriable-status-codes'], statusCodes: [503] }), retriesSuccess: false },
    { name: 'status-202', retry: retry({ on: ['retriable-status-codes'], statusCodes: [202] }), retriesSuccess: true },
    {
      name: 'headers',
      retry: retry({ on: ['retriable-headers'], retriableHeaders: [{ name: 'x', match: { kind: 'present' } }] }),
      retriesSuccess: true,
    },
    { name: 'grpc', retry: retry({ on: ['unavailable'] }), retriesSuccess: true },
  ];
  for (const { name, retry: policy, retriesSuccess } of looks) {
    it(`says whether a good response could be retried: ${name}`, () =>
      assert.equal(compile([route({ policy: { retry: policy } })])[0]!.retriesSuccess, retriesSuccess));
  }
});

describe('the route of a request', () => {
  it('is the first that matches', () => {
    const host = {
      name: 'v',
      source: 's',
      version: '1',
      requireTls: undefined,
      virtualClusterOf: undefined,
      onlySlot: undefined,
      hasFractions: false,
      index: undefined,
      routes: compile([
        route({ name: 'a', match: { path: { kind: 'prefix', value: '/a' } } }),
        route({ name: 'never', match: { unsupported: ['x'] } }),
        route({ name: 'rest' }),
      ]),
    };
    const found = (path: string): string | undefined => findRoute(host, { method: 'GET', path }, () => 0)?.name;
    assert.equal(found('/a/b'), 'a');
    assert.equal(found('/b'), 'rest');
    assert.equal(
      findRoute({ ...host, routes: [] }, { method: 'GET', path: '/' }, () => 0),
      undefined,
    );
  });
});

describe('the destination of a request', () => {
  it('is drawn by weight', () => {
    const [only] = compile([
      route({ action: forward({ cluster: 'a', weight: 60 }, { cluster: 'b', weight: 30 }, { cluster: 'c', weight: 10 }) }),
    ]);
    assert.equal(only!.totalWeight, 100);
    const at = (draw: number): string => chooseDestination(only!, () => draw)!.slot.name;
    assert.deepEqual([0, 0.5999, 0.6, 0.8999, 0.9, 0.9999].map(at), ['a', 'a', 'b', 'b', 'c', 'c']);
    const random = seededRandom(11);
    const counts = new Map<string, number>();
    for (let index = 0; index < 10_000; index++) {
      const { name } = chooseDestination(only!, random)!.slot;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    // Four standard deviations of 10,000 draws: 196, 183, 120.
    assert.ok(Math.abs(counts.get('a')! - 6000) < 196, `${counts.get('a')}`);
    assert.ok(Math.abs(counts.get('b')! - 3000) < 183, `${counts.get('b')}`);
    assert.ok(Math.abs(counts.get('c')! - 1000) < 120, `${counts.get('c')}`);
  });

  it('is never one of weight 0, and needs no draw where there is one', () => {
    const [two] = compile([route({ action: forward({ cluster: 'a', weight: 0 }, { cluster: 'b', weight: 1 }) })]);
    assert.equal(chooseDestination(two!, () => assert.fail('no draw'))!.slot.name, 'b');
    const [none] = compile([route({ action: forward({ cluster: 'a', weight: 0 }) })]);
    assert.equal(
      chooseDestination(none!, () => 0),
      undefined,
    );
  });

  it('is the last for a draw that rounding puts past the end', () => {
    const [two] = compile([route({ action: forward({ cluster: 'a', weight: 1 }, { cluster: 'b', weight: 2 }) })]);
    assert.equal(chooseDestination(two!, () => 1)!.slot.name, 'b');
  });
});

describe('a table whose hosts are compared without their port', () => {
  it('has no use for domains with one', () => {
    const table: RouteTableConfig = {
      name: 't',
      ignorePortInHost: true,
      virtualHosts: [{ name: 'v', domains: ['orders', 'orders:8080', '[::1]', '*'], routes: [] }],
    };
    const [host] = compileRouteTable(table, undefined, {
      source: 's',
      version: '1',
      slot: (name) => ({ name, isNamed: false, cluster: undefined }),
    });
    assert.deepEqual(host!.domains, ['orders', '[::1]', '*']);
  });
});
