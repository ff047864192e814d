import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { partsOfRewriteTemplate, patternFromPathTemplate } from '../../../src/base/path-template.ts';
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
      { name: 'signs-of-patterns-are-themselves', template: '/a+(b)$', path: '/a+(b)$', matches: true },
      { name: 'trailing-slash', template: '/orders/{id}/', path: '/orders/7', matches: false },
      { name: 'text-after-a-variable', template: '/files/{name}.txt', path: '/files/a.txt', matches: true },
      { name: 'several-segments-in-a-variable', template: '/{item=orders/*}/x', path: '/orders/7/x', matches: true },
      { name: 'several-segments-in-a-variable-not-others', template: '/{item=orders/*}/x', path: '/bills/7/x', matches: false },
      { name: 'segment-with-stars-and-equal-signs', template: '/orders/*', path: '/orders/a=*b', matches: true },
      { name: 'segment-of-other-characters', template: '/orders/*', path: '/orders/a|b', matches: false },
      { name: 'whole-path', template: '/orders', path: '/orders/7', matches: false },
    ];
  for (const { name, template, path, matches } of rows) {
    it(name, () => assert.equal(compilePattern(patternFromPathTemplate(template)).matches(path), matches));
  }

  const wrong: Readonly<Record<string, string>> = {
    'no-slash': 'orders/{id}',
    'unclosed-variable': '/orders/{id',
    'variable-without-a-name': '/orders/{}',
    'variable-with-a-long-name': '/{abcdefghijklmnopq}',
    'variable-twice': '/{a}/{a}',
    'six-variables': '/{a}/{b}/{c}/{d}/{e}/{f}',
    'open-after-the-rest': '/**/{a}',
    'two-slashes': '/a//b',
    'text-after-a-variable-and-more': '/{a}.b/c',
    'star-inside-of-text': '/a*b',
    'character-that-no-path-has': '/a|b',
    'empty-match': '/{a=}',
  };
  for (const [name, template] of Object.entries(wrong)) {
    it(`is none: ${name}`, () => assert.throws(() => patternFromPathTemplate(template), SyntaxError));
  }
});

describe('a template of a new path', () => {
  it('is text and variables', () => {
    assert.deepEqual(partsOfRewriteTemplate('/v2/{id}-{name}/x'), ['/v2/', { variable: 'id' }, '-', { variable: 'name' }, '/x']);
  });

  for (const template of ['v2', '/a//b', '/{id', '/{}', '/a*', '/{a=*}'])
    it(`is none: ${template}`, () => assert.throws(() => partsOfRewriteTemplate(template), SyntaxError));
});
