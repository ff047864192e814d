/** Conditions of routes, as tables. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { compileMatch, meets } from '../../../../src/data-plane/routing/match-route.ts';
import { compileMetadata } from '../../../../src/data-plane/routing/match-metadata.ts';
import { compileCookie, compilePath, compileString, compileValue } from '../../../../src/data-plane/routing/match-value.ts';
import {
  cookieOf,
  headerOf,
  pathOnly,
  queryOf,
  withKeptHeaders,
  withQueryInPath,
  type RequestView,
} from '../../../../src/data-plane/routing/request-view.ts';
import type {
  Fraction,
  MetadataMatcher,
  PathMatcher,
  RouteMatch,
  StringMatcher,
  ValueMatcher,
} from '../../../../src/model/match.ts';

before(loadPatternEngine);

const request = (more: Partial<RequestView> = {}): RequestView => ({ method: 'GET', path: '/', ...more });
/** The chance of requests that no share is taken of. */
const never = Number.NaN;

describe('a string', () => {
  const rows: readonly {
    readonly name: string;
    readonly matcher: StringMatcher;
    readonly yes: string[];
    readonly no: string[];
  }[] = [
    { name: 'exact', matcher: { kind: 'exact', value: 'a' }, yes: ['a'], no: ['A', 'ab', ''] },
    { name: 'exact-any-case', matcher: { kind: 'exact', value: 'aB', ignoreCase: true }, yes: ['ab', 'AB'], no: ['abc'] },
    { name: 'prefix', matcher: { kind: 'prefix', value: 'a' }, yes: ['a', 'ab'], no: ['ba', 'A'] },
    { name: 'prefix-any-case', matcher: { kind: 'prefix', value: 'A', ignoreCase: true }, yes: ['ab', 'AB'], no: ['ba'] },
    { name: 'suffix', matcher: { kind: 'suffix', value: 'a' }, yes: ['a', 'ba'], no: ['ab'] },
    { name: 'contains', matcher: { kind: 'contains', value: 'a' }, yes: ['bab'], no: ['b', 'BAB'] },
    { name: 'regex-of-the-whole-value', matcher: { kind: 'regex', value: 'a+' }, yes: ['a', 'aa'], no: ['ab', 'ba', ''] },
    { name: 'regex-with-alternatives', matcher: { kind: 'regex', value: 'a|bc' }, yes: ['a', 'bc'], no: ['abc', 'b'] },
    { name: 'regex-in-re2-syntax', matcher: { kind: 'regex', value: '(?i)a\\z' }, yes: ['A'], no: ['A\n'] },
    { name: 'present', matcher: { kind: 'present' }, yes: ['', 'a'], no: [] },
  ];
  for (const { name, matcher, yes, no } of rows) {
    it(`matches: ${name}`, () => {
      const test = compileString(matcher);
      for (const value of yes) assert.equal(test(value), true, JSON.stringify(value));
      for (const value of no) assert.equal(test(value), false, JSON.stringify(value));
    });
  }

  it('takes linear time for a pattern that stops a backtracking engine', () => {
    const test = compileString({ kind: 'regex', value: '(a+)+$' });
    const startMs = performance.now();
    assert.equal(test(`${'a'.repeat(5000)}b`), false);
    assert.ok(performance.now() - startMs < 1000);
  });
});

describe('a path', () => {
  const rows: readonly { readonly name: string; readonly matcher: PathMatcher; readonly yes: string[]; readonly no: string[] }[] =
    [
      { name: 'prefix-is-text', matcher: { kind: 'prefix', value: '/v2' }, yes: ['/v2', '/v20', '/v2/x'], no: ['/v1', '/V2'] },
      {
        name: 'segment-prefix',
        matcher: { kind: 'segment-prefix', value: '/v2' },
        yes: ['/v2', '/v2/', '/v2/x'],
        no: ['/v20', '/v'],
      },
      {
        name: 'segment-prefix-with-slash',
        matcher: { kind: 'segment-prefix', value: '/v2/' },
        yes: ['/v2', '/v2/x'],
        no: ['/v20'],
      },
      { name: 'segment-prefix-root', matcher: { kind: 'segment-prefix', value: '/' }, yes: ['/', '/x'], no: [] },
      {
        name: 'segment-prefix-any-case',
        matcher: { kind: 'segment-prefix', value: '/V2', ignoreCase: true },
        yes: ['/v2/x'],
        no: ['/v20'],
      },
      { name: 'exact', matcher: { kind: 'exact', value: '/a' }, yes: ['/a'], no: ['/a/', '/A'] },
      { name: 'regex', matcher: { kind: 'regex', value: '/[0-9]+' }, yes: ['/12'], no: ['/12/x', '/a'] },
      {
        name: 'template-segment',
        matcher: { kind: 'template', value: '/orders/{id}' },
        yes: ['/orders/1'],
        no: ['/orders/', '/orders/1/x'],
      },
      { name: 'template-rest', matcher: { kind: 'template', value: '/a/{rest=**}' }, yes: ['/a/', '/a/b/c'], no: ['/b'] },
      { name: 'template-star', matcher: { kind: 'template', value: '/a/*/c' }, yes: ['/a/b/c'], no: ['/a/b/d/c'] },
      { name: 'template-is-no-pattern', matcher: { kind: 'template', value: '/a.b/{x}' }, yes: ['/a.b/1'], no: ['/aXb/1'] },
    ];
  for (const { name, matcher, yes, no } of rows) {
    it(`matches: ${name}`, () => {
      const test = compilePath(matcher);
      for (const value of yes) assert.equal(test(value), true, value);
      for (const value of no) assert.equal(test(value), false, value);
    });
  }

  it('is tested without its query', () => {
    const match = compileMatch({ path: { kind: 'exact', value: '/a' } });
    assert.equal(meets(match, request({ path: '/a?b=/c' }), never), true);
    assert.equal(pathOnly('/a?b?c'), '/a');
  });
});

/** What a header has: nothing, one value or several. */
type Values = string | readonly string[] | undefined;

describe('a value', () => {
  const rows: readonly {
    readonly name: string;
    readonly matcher: Omit<ValueMatcher, 'name'>;
    readonly yes: Values[];
    readonly no: Values[];
  }[] = [
    { name: 'exact', matcher: { match: { kind: 'exact', value: 'a' } }, yes: ['a'], no: ['b', undefined] },
    { name: 'exact-inverted', matcher: { match: { kind: 'exact', value: 'a' }, invert: true }, yes: ['b'], no: ['a', undefined] },
    { name: 'present', matcher: { match: { kind: 'present' } }, yes: ['', 'a'], no: [undefined] },
    { name: 'absent', matcher: { match: { kind: 'present' }, invert: true }, yes: [undefined], no: ['', 'a'] },
    {
      name: 'missing-as-empty',
      matcher: { match: { kind: 'exact', value: '' }, whenMissing: 'empty' },
      yes: ['', undefined],
      no: ['a'],
    },
    {
      name: 'missing-as-empty-inverted',
      matcher: { match: { kind: 'exact', value: '' }, whenMissing: 'empty', invert: true },
      yes: ['a'],
      no: ['', undefined],
    },
    {
      name: 'missing-as-empty-may-match-inverted',
      matcher: { match: { kind: 'exact', value: 'a' }, whenMissing: 'empty', invert: true },
      yes: ['b', undefined],
      no: ['a'],
    },
    {
      name: 'missing-as-empty-is-present',
      matcher: { match: { kind: 'present' }, whenMissing: 'empty' },
      yes: ['a', undefined],
      no: [],
    },
    {
      name: 'missing-as-empty-is-never-absent',
      matcher: { match: { kind: 'present' }, whenMissing: 'empty', invert: true },
      yes: [],
      no: ['a', undefined],
    },
    {
      name: 'one-of-several',
      matcher: { match: { kind: 'exact', value: 'a' } },
      yes: [
        ['a', 'b'],
        ['b', 'a'],
        ['', 'a'],
      ],
      no: [['b', 'c'], ['a,b'], 'a,b'],
    },
    {
      name: 'none-of-several',
      matcher: { match: { kind: 'exact', value: 'a' }, invert: true },
      yes: [['b', 'c'], 'a,b'],
      no: [
        ['a', 'b'],
        ['b', 'a'],
      ],
    },
    { name: 'several-are-not-joined', matcher: { match: { kind: 'exact', value: 'a,b' } }, yes: ['a,b'], no: [['a', 'b']] },
    {
      name: 'range',
      matcher: { match: { kind: 'range', start: -5, end: 10 } },
      yes: ['-5', '0', '+9'],
      no: ['10', '-6', '1.5', '', 'x', '5x', undefined],
    },
    {
      name: 'range-inverted',
      matcher: { match: { kind: 'range', start: 0, end: 10 }, invert: true },
      yes: ['10', 'x'],
      no: ['5', undefined],
    },
    { name: 'regex', matcher: { match: { kind: 'regex', value: '[ab]' } }, yes: ['a'], no: ['ab', undefined] },
  ];
  for (const { name, matcher, yes, no } of rows) {
    it(`matches: ${name}`, () => {
      const test = compileValue<Values>({ name: 'x', ...matcher }, (values) => values);
      for (const value of yes) assert.equal(test(value), true, JSON.stringify(value));
      for (const value of no) assert.equal(test(value), false, JSON.stringify(value));
    });
  }
});

describe('a header', () => {
  const forms: Readonly<Record<string, () => unknown>> = {
    object: () => ({ 'X-Tenant': 'a', other: 'b' }),
    'object-with-several-values': () => ({ 'x-tenant': ['a', 'c'], other: 'b' }),
    'flat-array': () => ['X-TENANT', 'a', 'other', 'b'],
    'flat-array-repeated': () => ['x-tenant', 'a', 'other', 'b', 'X-Tenant', 'c'],
    map: () => new Map([['X-Tenant', 'a']]),
    headers: () => new Headers({ 'X-Tenant': 'a' }),
    pairs: () => new Set([['X-Tenant', 'a']]),
  };
  for (const [name, make] of Object.entries(forms)) {
    it(`is found in any case, with all its values joined: ${name}`, () => {
      const view = request({ headers: make() as never });
      assert.equal(headerOf(view, 'x-tenant'), /several|repeated/.test(name) ? 'a,c' : 'a');
      assert.equal(headerOf(view, 'x-none'), undefined);
      assert.equal(headerOf(view, 'x-tenant'), /several|repeated/.test(name) ? 'a,c' : 'a', 'reading it twice changes nothing');
    });
  }

  it('is missing where there are no headers, or it has no value', () => {
    for (const headers of [null, undefined, {}, [], { 'x-tenant': undefined }])
      assert.equal(headerOf(request({ headers: headers as never }), 'x-tenant'), undefined);
  });

  it('is text where it was a number', () => {
    assert.equal(headerOf(request({ headers: { 'content-length': 5 } as never }), 'content-length'), '5');
  });

  it('is not taken from the prototype of the object', () => {
    assert.equal(headerOf(request({ headers: Object.create({ 'x-tenant': 'a' }) as never }), 'x-tenant'), undefined);
    assert.equal(headerOf(request({ headers: {} }), 'constructor'), undefined);
  });

  it('stays readable when it came from an iterator, which gives its pairs once', () => {
    const once = (function* (): Generator<[string, string]> {
      yield ['X-Tenant', 'a'];
    })();
    const options = withKeptHeaders(request({ headers: once as never }));
    assert.equal(headerOf(options, 'x-tenant'), 'a');
    assert.equal(headerOf(options, 'x-tenant'), 'a');
    assert.deepEqual([...(options.headers as unknown as Iterable<unknown>)], [['X-Tenant', 'a']]);
  });

  it('makes no new options where it can be read again anyway', () => {
    for (const headers of [null, undefined, {}, [], new Map(), new Headers()]) {
      const options = request({ headers: headers as never });
      assert.equal(withKeptHeaders(options), options);
    }
  });
});

describe('a part of the request line', () => {
  const view = request({ method: 'PUT', path: '/a?b=1', scheme: 'https', authority: 'orders:8443' });
  const rows: readonly { readonly name: string; readonly header: string; readonly value: string | undefined }[] = [
    { name: 'path-with-its-query', header: ':path', value: '/a?b=1' },
    { name: 'method', header: ':method', value: 'PUT' },
    { name: 'scheme', header: ':scheme', value: 'https' },
    { name: 'authority', header: ':authority', value: 'orders:8443' },
    { name: 'host', header: 'host', value: 'orders:8443' },
    { name: 'unknown', header: ':status', value: undefined },
  ];
  for (const { name, header, value } of rows) it(`is a header: ${name}`, () => assert.equal(headerOf(view, header), value));

  it('is the host of the caller where that has one', () => {
    const own = { ...view, headers: { Host: 'billing' } };
    assert.equal(headerOf(own, ':authority'), 'billing');
    assert.equal(headerOf(own, 'host'), 'billing');
  });
});

describe('a query parameter', () => {
  const rows: readonly { readonly name: string; readonly path: string; readonly value: string | undefined }[] = [
    { name: 'first-of-several', path: '/a?x=1&x=2', value: '1' },
    { name: 'not-decoded', path: '/a?x=1%202+3', value: '1%202+3' },
    { name: 'name-is-not-decoded', path: '/a?%78=1', value: undefined },
    { name: 'without-a-sign', path: '/a?x', value: '' },
    { name: 'without-a-value', path: '/a?x=&y=1', value: '' },
    { name: 'value-with-a-sign', path: '/a?x=1=2', value: '1=2' },
    { name: 'after-others', path: '/a?xy=1&&x=2', value: '2' },
    { name: 'semicolon-separates-nothing', path: '/a?y=1;x=2', value: undefined },
    { name: 'other-case', path: '/a?X=1', value: undefined },
    { name: 'other-parameter', path: '/a?y=x', value: undefined },
    { name: 'in-the-path', path: '/x=1', value: undefined },
    { name: 'no-query', path: '/a', value: undefined },
    { name: 'empty-query', path: '/a?', value: undefined },
    { name: 'before-a-fragment', path: '/a?x=1#&x=2', value: '1' },
  ];
  for (const { name, path, value } of rows)
    it(`is read as it is written: ${name}`, () => assert.equal(queryOf(request({ path }), 'x'), value));
});

describe('the query option of undici', () => {
  it('is a part of the path', () => {
    const { path, query } = withQueryInPath({ path: '/a', query: { x: '1 2', y: ['3', '4'] } });
    assert.deepEqual([path, query], ['/a?x=1%202&y=3&y=4', undefined]);
    assert.equal(withQueryInPath({ path: '/a', query: {} }).path, '/a');
  });

  it('stays where undici will refuse it, and changes nothing where there is none', () => {
    for (const options of [{ path: '/a' }, { path: '/a?b', query: { x: '1' } }, { path: '/a#b', query: { x: '1' } }])
      assert.equal(withQueryInPath(options), options);
  });
});

describe('a cookie', () => {
  const rows: readonly { readonly name: string; readonly cookie: string | string[]; readonly value: string | undefined }[] = [
    { name: 'after-others', cookie: 'a=1; b=2', value: '2' },
    { name: 'in-quotes', cookie: 'b="2"', value: '2' },
    { name: 'first-of-several', cookie: ['b=1', 'b=2'], value: '1' },
    { name: 'in-another-header', cookie: ['a=1', 'b=2'], value: '2' },
    { name: 'value-with-a-sign', cookie: 'b=1=2', value: '1=2' },
    { name: 'empty', cookie: 'b=', value: '' },
    { name: 'several-spaces', cookie: 'a=1;   b=2', value: '2' },
    { name: 'without-a-sign', cookie: 'b', value: undefined },
    { name: 'comma-separates-nothing', cookie: 'a=1,b=2', value: undefined },
    { name: 'longer-name', cookie: 'ab=1', value: undefined },
    { name: 'space-before-the-sign', cookie: 'b =1', value: undefined },
  ];
  for (const { name, cookie, value } of rows)
    it(`is read: ${name}`, () => assert.equal(cookieOf(request({ headers: { Cookie: cookie } }), 'b'), value));

  it('that is missing fails its test, and passes it inverted', () => {
    const match = { kind: 'exact', value: '1' } as const;
    const cookies = (...tests: readonly Partial<ValueMatcher>[]) =>
      tests.map((more) => compileCookie({ name: 'b', match, ...more })(request()));
    assert.deepEqual(cookies({}, { invert: true }, { whenMissing: 'empty' }, { whenMissing: 'empty', invert: true }), [
      false,
      true,
      false,
      true,
    ]);
    assert.equal(compileCookie({ name: 'b', match: { kind: 'present' }, invert: true })(request()), true);
    assert.equal(compileCookie({ name: 'b', match, invert: true })(request({ headers: { cookie: 'b=1' } })), false);
  });
});

describe('what an earlier step noted', () => {
  const metadata = { jwt: { claims: { role: 'admin', level: 3, staff: true } } };
  const at = (key: string): Pick<MetadataMatcher, 'namespace' | 'path'> => ({ namespace: 'jwt', path: ['claims', key] });
  const rows: readonly { readonly name: string; readonly matcher: MetadataMatcher; readonly found: boolean }[] = [
    { name: 'text', matcher: { ...at('role'), match: { kind: 'exact', value: 'admin' } }, found: true },
    { name: 'other-text', matcher: { ...at('role'), match: { kind: 'exact', value: 'user' } }, found: false },
    { name: 'number', matcher: { ...at('level'), match: { kind: 'range', start: 3, end: 4 } }, found: true },
    { name: 'number-is-no-text', matcher: { ...at('level'), match: { kind: 'exact', value: '3' } }, found: false },
    { name: 'bool', matcher: { ...at('staff'), match: { kind: 'bool', value: true } }, found: true },
    { name: 'present', matcher: { ...at('level'), match: { kind: 'present' } }, found: true },
    { name: 'missing', matcher: { ...at('none'), match: { kind: 'present' } }, found: false },
    { name: 'from-the-prototype', matcher: { ...at('constructor'), match: { kind: 'present' } }, found: false },
    {
      name: 'below-a-text',
      matcher: { namespace: 'jwt', path: ['claims', 'role', 'length'], match: { kind: 'present' } },
      found: false,
    },
  ];
  for (const { name, matcher, found } of rows) {
    it(`is tested: ${name}`, () => {
      assert.equal(compileMetadata(matcher)(request({ metadata })), found);
      assert.equal(compileMetadata({ ...matcher, invert: true })(request({ metadata })), !found);
    });
  }

  it('is nothing for a request of this process', () => {
    const matcher: MetadataMatcher = { ...at('role'), match: { kind: 'present' } };
    assert.equal(compileMetadata(matcher)(request()), false);
    assert.equal(compileMetadata({ ...matcher, invert: true })(request()), true);
  });
});

describe('a route', () => {
  const present = (name: string): ValueMatcher => ({ name, match: { kind: 'present' } });
  const rows: readonly {
    readonly name: string;
    readonly match: RouteMatch;
    readonly yes: RequestView[];
    readonly no: RequestView[];
  }[] = [
    { name: 'everything', match: {}, yes: [request(), request({ method: 'PURGE', path: '*' })], no: [] },
    {
      name: 'methods',
      match: { methods: ['GET', 'put'] },
      yes: [request(), request({ method: 'PUT' })],
      no: [request({ method: 'POST' })],
    },
    {
      name: 'all-conditions',
      match: {
        methods: ['GET'],
        path: { kind: 'prefix', value: '/a' },
        headers: [present('x')],
        query: [present('q')],
        cookies: [present('c')],
      },
      yes: [request({ path: '/a?q=1', headers: { x: '1', cookie: 'c=1' } })],
      no: [
        request({ method: 'PUT', path: '/a?q=1', headers: { x: '1', cookie: 'c=1' } }),
        request({ path: '/b?q=1', headers: { x: '1', cookie: 'c=1' } }),
        request({ path: '/a?q=1', headers: { cookie: 'c=1' } }),
        request({ path: '/a', headers: { x: '1', cookie: 'c=1' } }),
        request({ path: '/a?q=1', headers: { x: '1' } }),
      ],
    },
    {
      name: 'grpc',
      match: { grpc: true },
      yes: [
        request({ headers: { 'Content-Type': 'application/grpc+proto' } }),
        request({ headers: { 'content-type': 'application/grpc' } }),
      ],
      no: [
        request(),
        request({ headers: { 'content-type': 'application/json' } }),
        request({ headers: { 'content-type': 'application/grpc-web' } }),
        request({ headers: { 'content-type': 'application/grpc;x' } }),
      ],
    },
    { name: 'not-supported', match: { unsupported: ['source_ip'] }, yes: [], no: [request()] },
    { name: 'not-supported-beside-others', match: { methods: ['GET'], unsupported: ['x'] }, yes: [], no: [request()] },
    { name: 'nothing-not-supported', match: { unsupported: [] }, yes: [request()], no: [] },
  ];
  for (const { name, match, yes, no } of rows) {
    it(`matches: ${name}`, () => {
      const compiled = compileMatch(match);
      for (const view of yes) assert.equal(meets(compiled, view, never), true, JSON.stringify(view));
      for (const view of no) assert.equal(meets(compiled, view, never), false, JSON.stringify(view));
    });
  }

  const shares: readonly {
    readonly name: string;
    readonly fraction: Fraction;
    readonly chance: number;
    readonly yes: boolean;
  }[] = [
    { name: 'nothing', fraction: { numerator: 0, denominator: 10_000 }, chance: 0, yes: false },
    { name: 'all', fraction: { numerator: 1_000_000, denominator: 1_000_000 }, chance: 999_999, yes: true },
    { name: 'inside', fraction: { numerator: 25, denominator: 100 }, chance: 24, yes: true },
    { name: 'outside', fraction: { numerator: 25, denominator: 100 }, chance: 25, yes: false },
    { name: 'by-the-remainder', fraction: { numerator: 25, denominator: 100 }, chance: 1_000_124, yes: true },
    { name: 'no-runtime-value', fraction: { numerator: 1, denominator: 100, runtimeKey: 'b' }, chance: 0, yes: true },
    { name: 'runtime-value', fraction: { numerator: 1, denominator: 100, runtimeKey: 'a' }, chance: 39, yes: true },
    {
      name: 'outside-of-the-runtime-value',
      fraction: { numerator: 50, denominator: 100, runtimeKey: 'a' },
      chance: 40,
      yes: false,
    },
  ];
  for (const { name, fraction, chance, yes } of shares) {
    it(`takes its share: ${name}`, () => {
      const match = compileMatch({ fraction }, (key) => (key === 'a' ? 40 : undefined));
      assert.equal(meets(match, request(), chance), yes);
    });
  }
});
