import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { compilePathNormalizer, normalizePath } from '../../../../src/data-plane/inbound/normalize-path.ts';
import type { PathNormalizationConfig } from '../../../../src/model/listener.ts';

/** The path, or how it is refused. */
function shown(path: string, mode?: PathNormalizationConfig): string {
  const result = normalizePath(path, mode);
  if (typeof result === 'string') return result;
  return `${result.status}${result.headers['location'] === undefined ? '' : ` ${String(result.headers['location'])}`}`;
}

const keep = { normalize: true, mergeSlashes: true, escapedSlashes: 'keep' } as const;
const unescape = { normalize: true, mergeSlashes: true, escapedSlashes: 'unescape' } as const;
const redirect = { normalize: true, mergeSlashes: true, escapedSlashes: 'redirect' } as const;
const reject = { normalize: true, mergeSlashes: true, escapedSlashes: 'reject' } as const;
const apart = { normalize: true, mergeSlashes: false, escapedSlashes: 'keep' } as const;
const merged = { normalize: false, mergeSlashes: true, escapedSlashes: 'unescape' } as const;
const none = { normalize: false, mergeSlashes: false, escapedSlashes: 'keep' } as const;

describe('paths, where no source says how they are normalised (T-PATH)', () => {
  const rows = [
    { name: 'plain', path: '/orders/42', becomes: '/orders/42' },
    { name: 'query-is-not-touched', path: '/a?b=//../%2f%00&c=%zz', becomes: '/a?b=//../%2f%00&c=%zz' },
    { name: 'trailing-slash-stays', path: '/admin/', becomes: '/admin/' },
    { name: 'case-stays', path: '/ADMIN', becomes: '/ADMIN' },
    { name: 'sub-delimiters-stay', path: "/a:b@c!$&'()*+,;=", becomes: "/a:b@c!$&'()*+,;=" },
    { name: 'path-parameters-stay', path: '/a;v=1/b', becomes: '/a;v=1/b' },
    { name: 'slashes-are-merged', path: '//admin///x//', becomes: '/admin/x/' },
    { name: 'nothing-but-slashes', path: '///', becomes: '/' },
    { name: 'dot-segment', path: '/./admin/.', becomes: '/admin/' },
    { name: 'dot-dot-segment', path: '/x/../admin', becomes: '/admin' },
    { name: 'never-above-the-root', path: '/../../admin', becomes: '/admin' },
    { name: 'cve-2019-9901-encoded-dots', path: '/x/%2e%2E/admin', becomes: '/admin' },
    { name: 'half-encoded-dots', path: '/x/.%2e/admin', becomes: '/admin' },
    { name: 'three-dots-are-a-name', path: '/a/.../b', becomes: '/a/.../b' },
    { name: 'dot-file', path: '/.well-known/x', becomes: '/.well-known/x' },
    { name: 'encoded-letters', path: '/%61dmin/%7Ex%2D%5f', becomes: '/admin/~x-_' },
    { name: 'encoded-others-stay', path: '/a%20b%C3%A9%25', becomes: '/a%20b%C3%A9%25' },
    {
      name: 'escapes-that-a-segment-does-not-need',
      path: '/v1/items%3Adelete/a%40b%21%24%26%27%28%29%2A%2B%2C%3B%3d',
      becomes: "/v1/items:delete/a@b!$&'()*+,;=",
    },
    { name: 'hexadecimal-digits-have-one-case', path: '/caf%c3%a9', becomes: '/caf%C3%A9' },
    { name: 'encoded-parameters-of-dot-segments', path: '/x/..%3Ba/admin', becomes: '/admin' },
    { name: 'needless-escapes-of-a-query-stay', path: '/a?b%3Ac', becomes: '/a?b%3Ac' },
    { name: 'decoded-once', path: '/%252e%252e/x', becomes: '/%252e%252e/x' },
    { name: 'backslash', path: '/x\\..\\admin', becomes: '/admin' },
    { name: 'unsafe-characters-are-escaped', path: '/a"<>^`{|}', becomes: '/a%22%3C%3E%5E%60%7B%7C%7D' },
    { name: 'parameters-of-dot-segments', path: '/x/..;a=1/admin', becomes: '/admin' },
    { name: 'parameters-of-encoded-dot-segments', path: '/x/%2e%2e;a=1/admin', becomes: '/admin' },
    { name: 'cve-2021-29492-encoded-slash', path: '/x%2fadmin', becomes: '400' },
    { name: 'cve-2021-29492-encoded-backslash', path: '/x%5Cadmin', becomes: '400' },
    { name: 'cve-2021-39156-fragment', path: '/admin#/x', becomes: '400' },
    { name: 'fragment-in-query', path: '/admin?a#b', becomes: '400' },
    { name: 'null-byte', path: '/admin%00.png', becomes: '400' },
    { name: 'raw-null-byte', path: '/admin\0', becomes: '400' },
    { name: 'control-byte', path: '/a\u0001b', becomes: '400' },
    { name: 'line-feed-in-query', path: '/a?b\nc', becomes: '400' },
    { name: 'space', path: '/a b', becomes: '400' },
    { name: 'delete', path: '/a\u007Fb', becomes: '400' },
    { name: 'raw-beyond-ascii', path: '/caf\u00E9', becomes: '400' },
    { name: 'raw-beyond-latin-1', path: '/\u2215admin', becomes: '400' },
    { name: 'escape-of-no-byte', path: '/a%zz', becomes: '400' },
    { name: 'cut-escape', path: '/a%2', becomes: '400' },
    { name: 'escape-made-by-decoding', path: '/%%32e%%32e/x', becomes: '400' },
    { name: 'absolute-target', path: 'http://orders/x/../admin?q', becomes: '/admin?q' },
    { name: 'absolute-target-of-any-case', path: 'HTTPS://orders//admin', becomes: '/admin' },
    { name: 'absolute-target-without-path', path: 'http://orders?q', becomes: '/?q' },
    { name: 'absolute-target-with-backslash', path: 'http://orders\\admin', becomes: '400' },
    { name: 'other-scheme', path: 'ftp://orders/admin', becomes: '400' },
    { name: 'no-slash', path: 'admin', becomes: '400' },
    { name: 'empty', path: '', becomes: '400' },
    { name: 'of-the-server', path: '*', becomes: '*' },
  ];
  for (const { name, path, becomes } of rows) it(name, () => assert.equal(shown(path), becomes));

  it('are refused with the details that Envoy gives, and without a body', () => {
    for (const [path, details] of [
      ['/a%2fb', 'path_normalization_failed'],
      ['/a#b', 'path_with_fragment'],
      ['/a b', 'invalid_path'],
    ] as const) {
      const result = normalizePath(path);
      assert.ok(typeof result === 'object');
      assert.deepEqual([result.status, result.details, result.body, result.grpcStatus], [400, details, '', 13]);
    }
  });

  it('have one form: what came out goes in and out unchanged, and hides nothing', () => {
    const random = seededRandom(7);
    const parts = [
      '/',
      '//',
      '.',
      '..',
      '%2e',
      '%2E',
      '\\',
      'a',
      'admin',
      '%61',
      ';',
      '..;',
      '%25',
      '~',
      '"',
      '%C3',
      '?',
      '%7e',
      '%2',
    ];
    let accepted = 0;
    for (let round = 0; round < 20_000; round++) {
      let path = '/';
      for (let count = 1 + Math.floor(random() * 8); count > 0; count--) path += parts[Math.floor(random() * parts.length)]!;
      const result = normalizePath(path);
      if (typeof result !== 'string') continue;
      accepted += 1;
      assert.equal(normalizePath(result), result, path);
      const [only = ''] = result.split('?', 1);
      assert.doesNotMatch(only, /\/\/|\\|%2f|%5c|%2e|\/\.{1,2}(?:;|\/|$)/i, path);
    }
    assert.ok(accepted > 10_000);
  });
});

describe('paths, where a source says how they are normalised, are those of Envoy 1.40', () => {
  // Asked of Envoy itself.
  const rows: readonly (readonly [path: string, mode: PathNormalizationConfig, becomes: string])[] = [
    ['/a%zz', keep, '/a%zz'],
    ['/a%2', keep, '/a%2'],
    ['/%%32', keep, '/%2'],
    ['/%%30%30', keep, '/%2500'],
    ['/..%%32e/x', keep, '/..%252e/x'],
    ['/a%2f..%2Fb', keep, '/a%2f..%2Fb'],
    ['/a%2f..%2Fb', unescape, '/b'],
    ['/a%2f..%2Fb', redirect, '307 /b'],
    ['/a%2f..%2Fb', reject, '400'],
    ['/a%2f..%2Fb', merged, '/a/../b'],
    ['/a%2f..%2Fb?q=%2f', redirect, '307 /b?q=%2f'],
    ['/a%5c..%5cb', unescape, '/b'],
    ['/a%5c..%5cb', merged, '/a\\..\\b'],
    ['/%2e%2e%2fadmin', keep, '/..%2fadmin'],
    ['/a//../b', keep, '/a/b'],
    ['/a//../b', apart, '/a/b'],
    ['/a//../b', merged, '/a/../b'],
    ['//a', apart, '//a'],
    ['/\\a', apart, '//a'],
    ['/\\a', none, '/\\a'],
    ['//..', apart, '/'],
    ['//.', apart, '//'],
    ['///', keep, '//'],
    ['///a///', keep, '/a/'],
    ['/a/..;/b', keep, '/b'],
    ['/a/..;x=1/b', none, '/a/..;x=1/b'],
    ['/a/%2e%2e;/b', keep, '/a/..;/b'],
    ['/a/..;\\b', keep, '/'],
    ['/..;%00/b', keep, '/b'],
    ['/a/..%00/b', keep, '400'],
    ['/a/..%00/b', none, '/a/..%00/b'],
    ['/a"b', keep, '/a%22b'],
    ['/a"b', none, '/a"b'],
    ['/a?"<>^`{|}\\//..', keep, '/a?"<>^`{|}\\//..'],
    ['/a#b', none, '400'],
    ['/caf\u00E9', none, '400'],
    ['/%c0%ae%c0%ae/', keep, '/%c0%ae%c0%ae/'],
    ['http://orders/p/../q', keep, '/q'],
    ['http://orders', none, '/'],
  ];
  for (const [path, mode, becomes] of rows) {
    const { normalize, mergeSlashes, escapedSlashes } = mode;
    const steps = [normalize && 'normalize', mergeSlashes && 'merge', escapedSlashes].filter(Boolean).join(' ');
    it(`${JSON.stringify(path)} (${steps}) → ${becomes}`, () => assert.equal(shown(path, mode), becomes));
  }

  it('never redirect to another host, which two slashes at the start would', () => {
    assert.equal(shown('/%2fevil.example/x', { ...redirect, mergeSlashes: false }), '307 /evil.example/x');
    assert.equal(shown('/%5cevil.example/x', { ...redirect, normalize: false, mergeSlashes: false }), '307 /evil.example/x');
  });

  it('are returned as they came where nothing has to be done', () => {
    const path = `/orders/${'x'.repeat(40)}?expand=items`;
    for (const mode of [undefined, keep, unescape, redirect, reject, apart, merged, none])
      assert.equal(compilePathNormalizer(mode)(path), path);
  });
});
