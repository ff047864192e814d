/** Edits of requests and responses. What is expected was answered by a real Envoy 1.40. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { compileRequestEdit, compileResponseEdit, type PolicyPlaces } from '../../../../src/data-plane/routing/compile-edits.ts';
import {
  editRequest,
  editResponseHeaders,
  type EditableRequest,
  type EditedRequest,
} from '../../../../src/data-plane/routing/edit-request.ts';
import { compileMutation, mutateHeaders } from '../../../../src/data-plane/routing/header-mutation.ts';
import { headerList, type HeaderList } from '../../../../src/data-plane/routing/header-list.ts';
import { compilePathEdit } from '../../../../src/data-plane/routing/rewrite-path.ts';
import type { PathMatcher } from '../../../../src/model/match.ts';
import type { HeaderMutation } from '../../../../src/model/policy.ts';
import type { HostRewrite, PathRewrite } from '../../../../src/model/route.ts';

before(loadPatternEngine);

const places = (...policies: PolicyPlaces['policies']): PolicyPlaces => ({ policies, mostSpecificHeadersWin: false });
const request = (more: Partial<EditableRequest> = {}): EditableRequest => ({
  method: 'GET',
  path: '/a',
  scheme: 'http',
  authority: 'orders',
  ...more,
});

/** Headers as lines. */
const lines = (headers: EditableRequest['headers']): string[] => headerList(headers).map((pair) => pair.join(': '));

describe('a path', () => {
  const rows: readonly {
    readonly name: string;
    readonly match?: PathMatcher;
    readonly rewrite: PathRewrite;
    readonly path: string;
    readonly becomes: string | undefined;
  }[] = [
    {
      name: 'prefix',
      match: { kind: 'prefix', value: '/a' },
      rewrite: { kind: 'prefix', prefix: '/b' },
      path: '/ax?q=1',
      becomes: '/bx?q=1',
    },
    {
      name: 'prefix-of-other-case',
      match: { kind: 'prefix', value: '/a', ignoreCase: true },
      rewrite: { kind: 'prefix', prefix: '/b' },
      path: '/Ax',
      becomes: '/bx',
    },
    {
      name: 'segments-with-two-slashes',
      match: { kind: 'segment-prefix', value: '/a' },
      rewrite: { kind: 'prefix', prefix: '/n/' },
      path: '/a/b',
      becomes: '/n//b',
    },
    {
      name: 'whole-path-by-prefix',
      match: { kind: 'exact', value: '/a' },
      rewrite: { kind: 'prefix', prefix: '/n' },
      path: '/a?q=1',
      becomes: '/n?q=1',
    },
    {
      name: 'pattern-by-prefix',
      match: { kind: 'regex', value: '/a.*' },
      rewrite: { kind: 'prefix', prefix: '/n' },
      path: '/abc?q=1',
      becomes: '/n?q=1',
    },
    { name: 'any-path-by-prefix', rewrite: { kind: 'prefix', prefix: '/n' }, path: '/a', becomes: '/n/a' },
    {
      name: 'empty-prefix',
      match: { kind: 'prefix', value: '/a' },
      rewrite: { kind: 'prefix', prefix: '' },
      path: '/a/b',
      becomes: undefined,
    },
    { name: 'full', rewrite: { kind: 'full', path: '/n' }, path: '/a/b?q=1', becomes: '/n?q=1' },
    {
      name: 'regex-with-groups',
      rewrite: { kind: 'regex', regex: '^/(a)(x)?', substitution: '/\\0-\\1-\\2-\\\\' },
      path: '/a/b?b',
      becomes: '//a-a--\\/b?b',
    },
    {
      name: 'regex-everywhere',
      rewrite: { kind: 'regex', regex: '[aeiou]', substitution: 'w' },
      path: '/beta?a',
      becomes: '/bwtw?a',
    },
    {
      name: 'regex-that-matches-nothing',
      rewrite: { kind: 'regex', regex: '/z', substitution: '/y' },
      path: '/a?b',
      becomes: '/a?b',
    },
    {
      name: 'regex-of-empty-matches', // none where the last one ended, in RE2
      rewrite: { kind: 'regex', regex: 'a*', substitution: '-' },
      path: '/alpha',
      becomes: '-/-l-p-h-',
    },
    { name: 'regex-to-nothing', rewrite: { kind: 'regex', regex: '.*', substitution: '' }, path: '/a?b', becomes: undefined },
    {
      name: 'group-that-is-not-there',
      rewrite: { kind: 'regex', regex: '/v[12]', substitution: '/x\\1' },
      path: '/v1/a',
      becomes: '/v1/a',
    },
    { name: 'dollar-is-a-dollar', rewrite: { kind: 'regex', regex: 'a', substitution: '$&$1' }, path: '/a', becomes: '/$&$1' },
    {
      name: 'template',
      match: { kind: 'template', value: '/orders/{id}/{rest=**}' },
      rewrite: { kind: 'template', template: '/v2/{rest}/of/{id}' },
      path: '/orders/7/a/b?q',
      becomes: '/v2/a/b/of/7?q',
    },
    {
      name: 'template-of-a-variable-that-is-not-there',
      match: { kind: 'template', value: '/orders/{id}' },
      rewrite: { kind: 'template', template: '/v2/{name}' },
      path: '/orders/7',
      becomes: undefined,
    },
    {
      name: 'template-without-a-template-to-match',
      match: { kind: 'prefix', value: '/' },
      rewrite: { kind: 'template', template: '/v2' },
      path: '/orders/7',
      becomes: undefined,
    },
  ];
  for (const { name, match, rewrite, path, becomes } of rows) {
    it(`is rewritten: ${name}`, () => assert.equal(compilePathEdit(rewrite, match)?.(path), becomes));
  }

  it('that was rewritten is told as it was, and not as the caller says', () => {
    const edit = compileRequestEdit(
      places(),
      { kind: 'prefix', value: '/a' },
      { pathRewrite: { kind: 'prefix', prefix: '/b' } },
    )!;
    const edited = editRequest(edit, request({ path: '/a?q=1', headers: { 'X-Envoy-Original-Path': '/evil' } }));
    assert.equal(edited.path, '/b?q=1');
    assert.deepEqual(lines(edited.headers), ['x-envoy-original-path: /a?q=1']);
  });
});

describe('a host', () => {
  const edited = (
    hostRewrite: HostRewrite,
    more: Partial<EditableRequest> = {},
    requestHeaders: HeaderMutation = {},
  ): EditedRequest => {
    const edit = compileRequestEdit(places({ requestHeaders }), undefined, { hostRewrite });
    return editRequest(edit!, request(more));
  };

  it('is another, and the old one is told', () => {
    const { authority, headers } = edited({ kind: 'literal', host: 'new.host' }, { headers: { Host: 'own', accept: 'a' } });
    assert.equal(authority, 'new.host');
    assert.deepEqual(lines(headers), ['accept: a', 'x-envoy-original-host: own']);
  });

  it('is the first value of a header, as the mutations left it', () => {
    const rewrite: HostRewrite = { kind: 'header', name: 'X-H' };
    const more = { add: [['x-h', 'added']] } as const;
    assert.equal(edited(rewrite, {}, more).authority, 'added');
    assert.equal(edited(rewrite, { headers: { 'x-h': ['one', 'two'] } }, more).authority, 'one');
    const empty = edited(rewrite, { headers: { 'x-h': '' } }, more);
    assert.equal(empty.authority, undefined);
    assert.deepEqual(lines(empty.headers), ['x-h: ', 'x-h: added']);
  });

  it('is made of the path as it came', () => {
    const edit = compileRequestEdit(
      places(),
      { kind: 'prefix', value: '/h/' },
      {
        hostRewrite: { kind: 'path-regex', regex: '^/h/([^/]+).*$', substitution: '\\1.com' },
        pathRewrite: { kind: 'prefix', prefix: '/' },
      },
    )!;
    const { authority, path } = editRequest(edit, request({ path: '/h/foo/x?y' }));
    assert.deepEqual([authority, path], ['foo.com', '/foo/x?y']);
  });

  it('is left to the attempts where it is that of the endpoint', () => {
    const edit = compileRequestEdit(places(), undefined, { hostRewrite: { kind: 'endpoint' } })!;
    assert.equal(edit.isHostFromEndpoint, true);
    const own = request({ headers: { a: '1' } });
    assert.deepEqual(editRequest(edit, own), { path: '/a', authority: undefined, headers: own.headers });
  });

  const forwarded: readonly {
    readonly name: string;
    readonly before: string | string[] | undefined;
    readonly becomes: string;
  }[] = [
    { name: 'none-before', before: undefined, becomes: 'own' },
    { name: 'empty-before', before: '', becomes: 'own' },
    { name: 'another-before', before: 'first', becomes: 'first,own' },
    { name: 'two-headers-before', before: ['first', 'second'], becomes: 'first,second,own' },
    { name: 'the-last-one-already', before: 'first,own', becomes: 'first,own' },
    { name: 'an-earlier-one-already', before: 'own,first', becomes: 'own,first,own' },
  ];
  for (const { name, before, becomes } of forwarded) {
    it(`that was asked for is appended to x-forwarded-host: ${name}`, () => {
      const hostRewrite: HostRewrite = { kind: 'literal', host: 'new.host' };
      const edit = compileRequestEdit(places(), undefined, { hostRewrite, appendForwardedHost: true })!;
      const { headers } = editRequest(edit, request({ headers: { host: 'own', 'x-forwarded-host': before } }));
      assert.deepEqual(lines(headers), ['x-envoy-original-host: own', `x-forwarded-host: ${becomes}`]);
    });
  }

  it('that stays as it is is not appended to x-forwarded-host', () => {
    const hostRewrite: HostRewrite = { kind: 'header', name: 'x-h' };
    const edit = compileRequestEdit(places(), undefined, { hostRewrite, appendForwardedHost: true })!;
    assert.deepEqual(lines(editRequest(edit, request({ headers: { host: 'own' } })).headers), ['host: own']);
  });

  it('of a destination is not told', () => {
    const edit = compileRequestEdit(places(), undefined, {
      hostRewrite: { kind: 'literal', host: 'x' },
      isHostOfDestination: true,
      appendForwardedHost: true,
    })!;
    assert.deepEqual(lines(editRequest(edit, request({ headers: { host: 'own' } })).headers), []);
  });
});

describe('headers', () => {
  const rows: readonly {
    readonly name: string;
    readonly mutation: HeaderMutation;
    readonly headers: Record<string, string | string[]>;
    readonly becomes: readonly string[];
  }[] = [
    { name: 'remove', mutation: { remove: ['X-O'] }, headers: { 'x-o': '1', 'X-o': '2', q: '3' }, becomes: ['q: 3'] },
    { name: 'add', mutation: { add: [['x-o', 'b']] }, headers: { 'x-o': 'a' }, becomes: ['x-o: a', 'x-o: b'] },
    {
      name: 'set',
      mutation: { set: [['X-O', 'b']] },
      headers: { 'x-o': ['a1', 'a2'], q: '1' },
      becomes: ['q: 1', 'x-o: b'],
    },
    {
      name: 'if-absent-looks-at-what-was-left',
      mutation: {
        remove: ['x-o'],
        setIfAbsent: [
          ['x-o', 'one'],
          ['x-o', 'two'],
        ],
        setIfPresent: [['x-p', 'three']],
      },
      headers: { 'x-o': 'req', 'x-p': ['p1', 'p2'], 'x-q': 'q' },
      becomes: ['x-q: q', 'x-p: three', 'x-o: one', 'x-o: two'],
    },
    { name: 'if-absent-and-there', mutation: { setIfAbsent: [['x-o', 'b']] }, headers: { 'X-O': '' }, becomes: ['X-O: '] },
    { name: 'if-present-and-not-there', mutation: { setIfPresent: [['x-o', 'b']] }, headers: {}, becomes: [] },
    {
      name: 'set-comes-before-add',
      mutation: {
        add: [['x-o', 'added']],
        set: [['x-o', 'set']],
        setIfAbsent: [['x-n', 'n']],
      },
      headers: { 'x-o': 'req' },
      becomes: ['x-o: set', 'x-n: n', 'x-o: added'],
    },
    {
      name: 'one-line-of-what-stands-there-once',
      mutation: {
        add: [
          ['content-type', 'text/b'],
          ['user-agent', 'x'],
        ],
      },
      headers: { 'Content-Type': 'text/a' },
      becomes: ['content-type: text/a,text/b', 'user-agent: x'],
    },
    {
      name: 'the-host-stays',
      mutation: { remove: ['host', ':authority', ':path'] },
      headers: { host: 'a' },
      becomes: ['host: a'],
    },
    {
      name: 'the-authority-is-the-host',
      mutation: {
        set: [
          [':authority', 'b'],
          [':path', '/evil'],
        ],
      },
      headers: { host: 'a' },
      becomes: ['host: b'],
    },
  ];
  for (const { name, mutation, headers, becomes } of rows) {
    it(`are changed: ${name}`, () => {
      const list: HeaderList = mutateHeaders(headerList(headers), compileMutation(mutation)!);
      assert.deepEqual(
        list.map((pair) => pair.join(': ')),
        becomes,
      );
    });
  }

  it('of any form become a flat list, and stay as they are where nothing changes them', () => {
    const edit = compileRequestEdit(places({ requestHeaders: { add: [['b', '2']] } }), undefined, {})!;
    for (const headers of [{ a: '1' }, ['a', '1'], new Map([['a', '1']]), new Headers({ a: '1' }), [['a'], '1'].flat()])
      assert.deepEqual(editRequest(edit, request({ headers: headers as never })).headers, ['a', '1', 'b', '2']);
    assert.deepEqual(editRequest(edit, request({ headers: null as never })).headers, ['b', '2']);
    assert.equal(compileRequestEdit(places({ requestHeaders: {} }, undefined), undefined, {}), undefined);
  });

  const order: readonly {
    readonly name: string;
    readonly mostSpecificHeadersWin: boolean;
    readonly added: string[];
    readonly set: string;
  }[] = [
    { name: 'outermost-last', mostSpecificHeadersWin: false, added: ['own', 'route', 'host', 'table'], set: 'table' },
    { name: 'route-last', mostSpecificHeadersWin: true, added: ['own', 'table', 'host', 'route'], set: 'route' },
  ];
  for (const { name, mostSpecificHeadersWin, added, set } of order) {
    it(`are changed by every place in turn: ${name}`, () => {
      const by = (value: string): HeaderMutation => ({ add: [['x-o', value]], set: [['x-s', value]] });
      const around: PolicyPlaces = {
        policies: ['route', 'host', 'table'].map((value) => ({ requestHeaders: by(value), responseHeaders: by(value) })),
        mostSpecificHeadersWin,
      };
      const edited = editRequest(compileRequestEdit(around, undefined, {}, by('own'))!, request());
      const list = headerList(edited.headers);
      const values = (header: string) => list.filter((pair) => pair[0] === header).map((pair) => pair[1]);
      assert.deepEqual([values('x-o'), values('x-s')], [added, [set]]);
      assert.deepEqual(editResponseHeaders(compileResponseEdit(around, by('own'))!, {}), { 'x-o': added, 'x-s': set });
    });
  }

  it('of a response keep their lists', () => {
    const edit = compileResponseEdit(places({ responseHeaders: { remove: ['server'], add: [['set-cookie', 'c=3']] } }))!;
    assert.deepEqual(editResponseHeaders(edit, { server: 'x', 'set-cookie': ['a=1', 'b=2'], etag: 'e', gone: undefined }), {
      'set-cookie': ['a=1', 'b=2', 'c=3'],
      etag: 'e',
    });
  });
});
