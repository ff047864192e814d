import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Attempt } from '../../../src/data-plane/attempt.ts';
import { canBeAskedAgain } from '../../../src/data-plane/stuck-attempt.ts';
import type { RetryConfig } from '../../../src/model/policy.ts';

interface Asked {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly retry?: Partial<RetryConfig>;
  readonly cluster?: Readonly<Record<string, unknown>>;
  readonly attempt?: Readonly<Record<string, unknown>>;
}

/** The first attempt of a bare GET, under a policy that repeats it. */
const attemptOf = ({ options, retry, cluster, attempt }: Asked): Attempt =>
  ({
    number: 1,
    startMs: 0,
    destination: { subset: '' },
    cluster: { ...cluster },
    call: {
      method: 'GET',
      headers: options?.['headers'] ?? {},
      options: { method: 'GET', headers: {}, ...options },
      retry: { maxAttempts: 2, on: ['reset'], ...retry },
    },
    ...attempt,
  }) as unknown as Attempt;

describe('a request is sent to a host that answers nobody, to see whether it is alive', () => {
  const rows: readonly (Asked & { readonly name: string; readonly isSent: boolean })[] = [
    { name: 'a-get', isSent: true },
    { name: 'a-get-that-must-not-be-repeated', options: { idempotent: false }, isSent: false },
    { name: 'a-post', options: { method: 'POST' }, isSent: false },
    { name: 'a-post-that-the-caller-calls-idempotent', options: { method: 'POST', idempotent: true }, isSent: true },
    {
      name: 'a-post-that-the-policy-repeats',
      options: { method: 'POST' },
      retry: { nonIdempotent: 'as-configured' },
      isSent: false,
    },
    { name: 'a-put-with-a-body', options: { method: 'PUT', body: 'x' }, isSent: false },
    { name: 'a-further-attempt', attempt: { number: 2 }, isSent: false },
    { name: 'the-only-attempt', retry: { maxAttempts: 1 }, isSent: false },
    { name: 'no-condition-for-it', retry: { on: ['retriable-4xx'] }, isSent: false },
    {
      name: 'without-the-header-that-retries-need',
      retry: { requestHeaders: [{ name: 'x-retry', match: { kind: 'exact', value: 'yes' } }] },
      isSent: false,
    },
    {
      name: 'with-the-header-that-retries-need',
      options: { headers: { 'x-retry': 'yes' } },
      retry: { requestHeaders: [{ name: 'x-retry', match: { kind: 'exact', value: 'yes' } }] },
      isSent: true,
    },
    { name: 'where-a-share-is-dropped', cluster: { drops: [{ category: 'load', ratio: 0.5 }] }, isSent: false },
    { name: 'where-requests-name-endpoints', cluster: { overrideHeaders: ['x-host'] }, isSent: false },
  ];
  for (const { name, isSent, ...asked } of rows) it(name, () => assert.equal(canBeAskedAgain(attemptOf(asked)), isSent));
});
