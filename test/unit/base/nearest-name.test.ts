import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nearestName, suggestion } from '../../../src/base/nearest-name.ts';

const known = ['endpoints', 'timeoutMs', 'retry', 'circuitBreaker', 'dns', 'toString'];

describe('the name that was most likely meant', () => {
  const rows: readonly { readonly name: string; readonly unknown: string; readonly nearest: string | undefined }[] = [
    { name: 'one-letter-left-out', unknown: 'endpoins', nearest: 'endpoints' },
    { name: 'letters-swapped', unknown: 'rerty', nearest: 'retry' },
    { name: 'another-ending', unknown: 'retries', nearest: 'retry' },
    { name: 'without-its-unit', unknown: 'timeout', nearest: 'timeoutMs' },
    { name: 'snake-case', unknown: 'circuit_breaker', nearest: 'circuitBreaker' },
    { name: 'kebab-case-in-capitals', unknown: 'CIRCUIT-BREAKER', nearest: 'circuitBreaker' },
    { name: 'like-nothing', unknown: 'weather', nearest: undefined },
    { name: 'too-short-to-say', unknown: 'x', nearest: undefined },
    { name: 'empty', unknown: '', nearest: undefined },
    { name: 'too-long-to-compare', unknown: 'endpoints'.repeat(1000), nearest: undefined },
  ];
  for (const { name, unknown, nearest } of rows) {
    it(name, () => assert.equal(nearestName(unknown, known), nearest));
  }

  it('is the nearer of two', () => assert.equal(nearestName('maxRequest', ['maxRetries', 'maxRequests']), 'maxRequests'));
});

describe('the suggestion in a message', () => {
  it('asks for the name that was meant and lists all', () =>
    assert.equal(suggestion('rerty', ['dns', 'retry']), 'did you mean "retry"? (known here: dns, retry)'));

  it('lists all when none is near', () => assert.equal(suggestion('weather', ['dns', 'retry']), 'known here: dns, retry'));

  it('lists ten of many', () =>
    assert.equal(
      suggestion(
        'weather',
        Array.from({ length: 500 }, (_, index) => `s${index}`),
      ),
      'known here: s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 and 490 more',
    ));

  it('says so when there are none', () => assert.equal(suggestion('retry', []), 'none are known here'));
});
