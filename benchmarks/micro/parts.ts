/** The parts of the way out that have a cost worth knowing, one by one. */
import { Deadlines, type Deadline } from '../../src/base/deadlines.ts';
import { loadPatternEngine } from '../../src/base/pattern.ts';
import { systemClock, systemRandom } from '../../src/base/runtime.ts';
import { CircuitWindow } from '../../src/data-plane/resilience/circuit-window.ts';
import { createRetryBudget } from '../../src/data-plane/resilience/retry-budget.ts';
import { compileRouteTable } from '../../src/data-plane/routing/compile-routes.ts';
import type { CompiledVirtualHost } from '../../src/data-plane/routing/compiled-route.ts';
import { findRoute } from '../../src/data-plane/routing/decide-route.ts';
import { createVirtualHostTable } from '../../src/data-plane/routing/virtual-hosts.ts';
import { leanRequest } from '../../src/fetch/lean-request.ts';
import type { RetryBudgetConfig } from '../../src/model/policy.ts';
import type { RouteTableConfig } from '../../src/model/route.ts';
import type { RouteMatch } from '../../src/model/match.ts';
import { createTelemetry } from '../../src/telemetry/telemetry.ts';
import { createDnsResolver } from '../../src/wire/dns.ts';
import { call, sink, type MicroRow } from './operation.ts';

const request = { method: 'GET', path: '/v9/items?page=2', headers: { accept: '*/*', 'x-canary': 'true' } };

/** A virtual host with these routes. */
function compileMatches(matches: readonly RouteMatch[]): CompiledVirtualHost {
  const table: RouteTableConfig = {
    name: 'benchmark',
    virtualHosts: [
      {
        name: 'orders',
        domains: ['orders'],
        routes: matches.map((match, index) => ({
          name: `route ${index}`,
          match,
          action: { kind: 'forward', to: [{ cluster: 'orders', weight: 100 }] },
        })),
      },
    ],
  };
  const [host] = compileRouteTable(table, undefined, {
    source: 'benchmark',
    version: '1',
    slot: (slot) => ({ name: slot, isNamed: false, cluster: undefined }),
  });
  return host!.value;
}

/** The last of these routes is the one that matches. */
function routing(name: string, matches: readonly RouteMatch[]): MicroRow {
  return call(`route: ${name}`, () => {
    const host = compileMatches(matches);
    return () => findRoute(host, request, systemRandom)!;
  });
}

function prefixes(count: number): RouteMatch[] {
  return Array.from({ length: count }, (_, index) => ({
    path: { kind: 'segment-prefix' as const, value: index === count - 1 ? '/v9' : `/service-${index}` },
  }));
}

/** As many requests as there are in turn, so that no look-up finds what the one before it has left behind. */
const requestsInTurn = 64;

/** Requests for any of `count` routes, in turn; `vary` makes of a path one that was not seen before. */
function routingToEach(
  name: string,
  count: number,
  matchOf: (index: number) => RouteMatch,
  pathOf: (index: number) => string,
  vary?: (path: string, turn: number) => string,
): MicroRow {
  return call(`route: one of ${count}, ${name}`, async () => {
    await loadPatternEngine();
    const host = compileMatches(Array.from({ length: count }, (_, index) => matchOf(index)));
    const requests = Array.from({ length: requestsInTurn }, (_, index) => ({
      ...request,
      path: pathOf(Math.floor(((index + 0.5) / requestsInTurn) * count)),
    }));
    let turn = 0;
    if (vary === undefined) return () => findRoute(host, requests[turn++ % requestsInTurn]!, systemRandom)!;
    return () => {
      const known = requests[turn++ % requestsInTurn]!;
      return findRoute(host, { ...known, path: vary(known.path, turn) }, systemRandom)!;
    };
  });
}

function largeTables(count: number): MicroRow[] {
  const exact = (index: number) => `/service-${index}/items`;
  const patternMatch = (index: number): RouteMatch => ({ path: { kind: 'regex', value: `/service-${index}/items/\\d+` } });
  return [
    routingToEach('by whole paths', count, (index) => ({ path: { kind: 'exact', value: exact(index) } }), exact),
    routingToEach(
      'by path prefixes',
      count,
      (index) => ({ path: { kind: 'segment-prefix', value: `/service-${index}` } }),
      (index) => `/service-${index}/items?page=2`,
    ),
    routingToEach('by patterns', count, patternMatch, (index) => `/service-${index}/items/7`),
    routingToEach(
      'by patterns, a path that is new',
      count,
      patternMatch,
      (index) => `/service-${index}/items/`,
      (path, turn) => path + turn,
    ),
    routingToEach(
      'by a header',
      count,
      (index) => ({
        headers: [{ name: 'x-canary', match: { kind: 'exact', value: index === count - 1 ? 'true' : `v${index}` } }],
      }),
      () => '/items',
    ),
  ];
}

/** An authority in turn is looked up: live-config keeps what it found for each. */
function virtualHosts(name: string, count: number, domainOf: (index: number) => string): MicroRow {
  return call(`virtual host: ${name}, one of ${count}`, () => {
    const table = createVirtualHostTable(
      Array.from({ length: count }, (_, index) => ({ domains: [domainOf(index)], value: index })),
    );
    const hosts = Array.from({ length: requestsInTurn }, (_, index) =>
      domainOf(Math.floor(((index + 0.5) / requestsInTurn) * count)).replace('*', 'a'),
    );
    let turn = 0;
    return () => table.find(hosts[turn++ % requestsInTurn]!, 80);
  });
}

const budgets: readonly RetryBudgetConfig[] = [
  { kind: 'token-bucket', ratio: 0.15, minTokens: 10 },
  { kind: 'concurrent', ratio: 0.2, minConcurrent: 3 },
  { kind: 'deposit', ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 },
  { kind: 'grpc-throttle', maxTokens: 10, tokenRatio: 0.1 },
];

/** Time that passes by a tenth of a millisecond with each look. */
function tickingClock(): () => number {
  let now = 0.5;
  return () => (now += 0.1);
}

/** What a layer of middleware costs that is an async function. */
function asyncLayers(layers: number): MicroRow {
  const answer = Promise.resolve(1);
  let send = (): Promise<number> => answer;
  for (let layer = 0; layer < layers; layer++) {
    const inner = send;
    send = async () => await inner();
  }
  return {
    name: `promises: an answer through ${layers} async layers`,
    create: () => ({
      async run(count) {
        for (let index = 0; index < count; index++) sink.value = await send();
      },
    }),
  };
}

export const rows: readonly MicroRow[] = [
  asyncLayers(0),
  asyncLayers(5),
  call('clock: performance.now()', () => () => systemClock.now()),
  call('deadline: arm and cancel', () => {
    const deadlines = new Deadlines(systemClock);
    const target = { onDeadline(_deadline: Deadline): void {} };
    return () => deadlines.arm(target, 2000, 1.5).cancel();
  }),
  ...[10, 1000, 10_000].flatMap((count) => [
    virtualHosts('exact', count, (index) => `service-${index}.example.org`),
    virtualHosts('by its end', count, (index) => `*.service-${index}.example.org`),
  ]),
  routing('the only one, without conditions', [{}]),
  routing('the last of 20 path prefixes', prefixes(20)),
  routing('path prefix and header, the second of 2', [
    { path: { kind: 'segment-prefix', value: '/v2' }, headers: [{ name: 'x-canary', match: { kind: 'exact', value: 'true' } }] },
    { path: { kind: 'segment-prefix', value: '/v9' }, headers: [{ name: 'x-canary', match: { kind: 'exact', value: 'true' } }] },
  ]),
  ...[1000, 10_000].flatMap(largeTables),
  ...budgets.map((config) =>
    call(`retry budget: ${config.kind}, a request and its outcome`, () => {
      const budget = createRetryBudget(config);
      const now = tickingClock();
      return () => {
        budget.onRequest(now());
        budget.onOutcome?.(true);
      };
    }),
  ),
  call('circuit window: record a success', () => {
    const window = new CircuitWindow(10_000);
    const now = tickingClock();
    return () => window.record(false, now());
  }),
  call('circuit window: record a failure and decide', () => {
    const window = new CircuitWindow(10_000);
    const now = tickingClock();
    return () => {
      const time = now();
      window.record(true, time);
      return window.isTripped(100, 1_000_000_000, time);
    };
  }),
  call('dns: peek', async () => {
    const resolver = createDnsResolver({ clock: systemClock, random: systemRandom });
    const question = { hostname: '192.0.2.1', port: 80 };
    await resolver.resolve(question);
    return () => resolver.peek(question);
  }),
  call('telemetry: startRequest, nobody listens', () => {
    const telemetry = createTelemetry({ meshName: 'benchmark', clock: systemClock });
    const facts = { method: 'GET', scheme: 'http', host: 'orders', port: 80, path: '/', headers: undefined };
    return () => telemetry.startRequest(facts, 1.5);
  }),
  call('lean fetch: check a URL', () => () => leanRequest('http://orders/api/items?page=2', undefined)),
  call('lean fetch: check a POST with headers', () => {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer token' },
      body: '{"id":1}',
    };
    return () => leanRequest('http://orders/api/items?page=2', init);
  }),
];
