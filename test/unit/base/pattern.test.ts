import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compilePattern, isPatternEngineLoaded, loadPatternEngine } from '../../../src/base/pattern.ts';

describe('a pattern', () => {
  it('cannot be compiled before the engine is loaded, which is no fault of the pattern', async () => {
    assert.equal(isPatternEngineLoaded(), false);
    assert.throws(() => compilePattern('a'), { name: 'TypeError', message: /await loadPatternEngine\(\)/ });
    await loadPatternEngine();
    assert.equal(isPatternEngineLoaded(), true);
    assert.equal(compilePattern('a+').matches('aaa'), true);
    assert.equal(compilePattern('a+').matches('aab'), false);
  });

  const refused: readonly { readonly name: string; readonly pattern: string; readonly message: RegExp }[] = [
    { name: 'not-closed', pattern: '(a', message: /^"\(a" is not a pattern in RE2 syntax \(.*missing closing \)/ },
    { name: 'look-around', pattern: '(?=a)', message: /not a pattern in RE2 syntax/ },
    { name: 'back-reference', pattern: '(a)\\1', message: /not a pattern in RE2 syntax/ },
    { name: 'longer-than-1024-bytes', pattern: 'é'.repeat(513), message: /longer than 1024 bytes/ }, // 2 bytes each
    { name: 'more-than-1000-instructions', pattern: '(a{30}){30}b{200}', message: /compiles to \d+ instructions; at most 1000/ },
  ];
  for (const { name, pattern, message } of refused) {
    it(`is refused with a SyntaxError that says why: ${name}`, async () => {
      await loadPatternEngine();
      assert.throws(() => compilePattern(pattern), { name: 'SyntaxError', message });
    });
  }

  it('takes linear time where a backtracking engine takes years', async () => {
    await loadPatternEngine();
    assert.equal(compilePattern('(a+)+$').matches(`${'a'.repeat(10_000)}b`), false);
  });
});
