/** An index finds what asking each route in turn finds: it can only be quicker. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { compileMatch, meets, type CompiledMatch } from '../../../../src/data-plane/routing/match-route.ts';
import { patternPrefix } from '../../../../src/data-plane/routing/path-literal.ts';
import { pathOnly, type RequestView } from '../../../../src/data-plane/routing/request-view.ts';
import { createRouteIndex } from '../../../../src/data-plane/routing/route-index.ts';
import type { PathMatcher, RouteMatch } from '../../../../src/model/match.ts';

before(loadPatternEngine);

interface TestRoute extends CompiledMatch {
  readonly number: number;
  readonly config: { readonly match: RouteMatch };
}

const routesOf = (matches: readonly RouteMatch[]): readonly TestRoute[] =>
  matches.map((match, number) => ({ number, config: { match }, ...compileMatch(match) }));

/** Number of the route that the index finds, and of the one that asking each in turn finds; -1 = none. */
function bothWays(routes: readonly TestRoute[], index: ReturnType<typeof createRouteIndex<TestRoute>>, request: RequestView) {
  const found = index!.find(pathOnly(request.path), request, 0)?.number ?? -1;
  return { found, expected: routes.find((route) => meets(route, request, 0))?.number ?? -1 };
}

const path = (kind: PathMatcher['kind'], value: string, ignoreCase?: boolean): RouteMatch => ({
  path: { kind, value, ...(ignoreCase === true && { ignoreCase }) },
});

describe('an index of routes', () => {
  it('is not made for a few routes that are asked as quickly', () => {
    assert.equal(createRouteIndex(routesOf([path('prefix', '/a'), path('exact', '/b')])), undefined);
    assert.notEqual(createRouteIndex(routesOf([path('regex', '/a')])), undefined);
  });

  it('keeps the order of the routes', () => {
    const filler = Array.from({ length: 8 }, (_, index) => path('exact', `/x${index}`));
    const routes = routesOf([
      ...filler,
      { ...path('prefix', '/a'), methods: ['PUT'] },
      path('segment-prefix', '/a/b'),
      path('exact', '/a/b/c'),
      path('prefix', '/'),
      path('exact', '/z'),
      {},
    ]);
    const index = createRouteIndex(routes);
    const found = (view: Partial<RequestView>) =>
      index!.find(pathOnly(view.path!), { method: 'GET', path: '/', ...view }, 0)?.number;
    assert.equal(found({ path: '/a/b/c' }), 9);
    assert.equal(found({ path: '/a/b/c', method: 'PUT' }), 8);
    assert.equal(found({ path: '/a/bc' }), 11);
    assert.equal(found({ path: '/z' }), 11);
    assert.equal(found({ path: '*' }), 13);
  });

  it('finds the same route as asking each in turn, whatever the routes and the requests', () => {
    const random = seededRandom(7);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const segments = ['a', 'ab', 'b', 'B', '1', 'v2', ''];
    const somePath = (): string => `/${Array.from({ length: Math.floor(random() * 4) }, () => pick(segments)).join('/')}`;
    const patterns = ['/a.*', '/(a|b)/.*', '/[ab]+', '/ab?', '^/a/\\d+', '/a|/b/.*', '(?i)/ab.*', '/a\\.b', '/v2/.+', '.*'];
    const someMatch = (): RouteMatch => {
      const roll = random();
      const fold = random() < 0.2;
      const own =
        roll < 0.25
          ? path('exact', somePath(), fold)
          : roll < 0.5
            ? path('prefix', somePath(), fold)
            : roll < 0.7
              ? path('segment-prefix', somePath(), fold)
              : roll < 0.8
                ? path('regex', pick(patterns))
                : roll < 0.9
                  ? path('template', pick(['/a/{x}', '/{x}/b', '/v2/**', '/*']))
                  : {};
      const other = random();
      if (other < 0.4)
        return { ...own, headers: [{ name: 'x-tenant', match: { kind: 'exact', value: pick(['one', 'two', 'three']) } }] };
      if (other < 0.5) return { ...own, headers: [{ name: 'x-tenant', match: { kind: 'exact', value: 'one' }, invert: true }] };
      return other < 0.6 ? { ...own, methods: ['PUT'] } : own;
    };
    const headers = [
      undefined,
      { 'x-tenant': 'one' },
      { 'x-tenant': ['two', 'one'] },
      ['X-Tenant', 'three', 'X-Tenant', 'three'],
      { other: 'one' },
    ];
    let matched = 0;
    for (let round = 0; round < 300; round++) {
      const routes = routesOf(Array.from({ length: 8 + Math.floor(random() * 20) }, someMatch));
      const index = createRouteIndex(routes);
      for (let request = 0; request < 40; request++) {
        const view = { method: pick(['GET', 'PUT']), path: `${somePath()}${pick(['', '?a=/b'])}`, headers: pick(headers) };
        const { found, expected } = bothWays(routes, index, view);
        if (found !== expected)
          assert.fail(
            `${found} instead of ${expected} for ${JSON.stringify(view)} in ${JSON.stringify(routes.map((r) => r.config.match))}`,
          );
        if (found !== -1) matched++;
      }
    }
    // Otherwise the test compares nothing with nothing.
    assert.ok(matched > 6000, `${matched} of 12,000 requests had a route`);
  });

  it('remembers what a path came to, not what else the request was', () => {
    const others = ['/x.', '/y.', '/z.'].map((pattern) => path('regex', `(?i)${pattern}`));
    const routes = routesOf([...others, { ...path('regex', '/a.*'), methods: ['PUT'] }, path('regex', '/.*')]);
    let asked = 0;
    const counted = routes.map((route) => ({
      ...route,
      matchesPath: (text: string) => {
        asked++;
        return route.matchesPath!(text);
      },
    }));
    const index = createRouteIndex(counted)!;
    for (let turn = 0; turn < 2; turn++) {
      assert.equal(index.find('/ab', { method: 'GET', path: '/ab' }, 0)?.number, 4);
      assert.equal(index.find('/ab', { method: 'PUT', path: '/ab' }, 0)?.number, 3);
    }
    assert.equal(asked, 5);
  });

  it('does not remember long paths', () => {
    const index = createRouteIndex(routesOf([path('regex', '/a+')]))!;
    const long = `/${'a'.repeat(5000)}`;
    assert.equal(index.find(long, { method: 'GET', path: long }, 0)?.number, 0);
  });
});

describe('the beginning of a pattern', () => {
  const rows: readonly { readonly pattern: string; readonly text: string }[] = [
    { pattern: '/a/b', text: '/a/b' },
    { pattern: '^/a/.*', text: '/a/' },
    { pattern: '/ab?c', text: '/a' },
    { pattern: '/ab*', text: '/a' },
    { pattern: '/ab{0,2}', text: '/a' },
    { pattern: '/a\\.b\\/c', text: '/a.b/c' },
    { pattern: '/a\\.?b', text: '/a' },
    { pattern: '/a\\d', text: '/a' },
    { pattern: '/a\\Qb|c\\E', text: '' },
    { pattern: '/a|/b', text: '' },
    { pattern: '/(a|b)', text: '/' },
    { pattern: '/[|]a|b', text: '' },
    { pattern: '/[a|]b', text: '/' },
    { pattern: '/[]|]b', text: '/' },
    { pattern: '(?i)/a', text: '' },
    { pattern: '', text: '' },
  ];
  for (const { pattern, text } of rows)
    it(`of ${JSON.stringify(pattern)} is ${JSON.stringify(text)}`, () => assert.equal(patternPrefix(pattern), text));
});
