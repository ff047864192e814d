import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { patternFromPathTemplate } from '../../../src/base/path-template.ts';
import { compilePattern, loadPatternEngine } from '../../../src/base/pattern.ts';

describe('a path template', () => {
  before(loadPatternEngine);

  const rows: readonly { readonly name: string; readonly template: string; readonly path: string; readonly matches: boolean }[] =
    [
      { name: 'one-segment', template: '/orders/{id}', path: '/orders/7', matches: true },
      { name: 'one-segment-not-two', template: '/orders/{id}', path: '/orders/7/items', matches: false },
      { name: 'segment-must-not-be-empty', template: '/orders/{id}', path: '/orders/', matches: false },
      { name: 'star', template: '/orders/*/items', path: '/orders/7/items', matches: true },
      { name: 'rest', template: '/files/**', path: '/files/a/b.txt', matches: true },
      { name: 'named-rest', template: '/files/{path=**}', path: '/files/a/b.txt', matches: true },
      { name: 'dot-is-a-dot', template: '/files/*.txt', path: '/files/a-txt', matches: false },
      { name: 'signs-of-patterns-are-themselves', template: '/a+(b)[c]|^$\\?', path: '/a+(b)[c]|^$\\?', matches: true },
      { name: 'whole-path', template: '/orders', path: '/orders/7', matches: false },
    ];
  for (const { name, template, path, matches } of rows) {
    it(name, () => assert.equal(compilePattern(patternFromPathTemplate(template)).matches(path), matches));
  }
});
