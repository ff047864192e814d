import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nearestName } from '../../../../src/control-plane/file/nearest-name.ts';

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
