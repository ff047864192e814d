import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outcomeStatus } from '../../../../src/data-plane/inbound/grpc-outcome.ts';

describe('the status that a response stands for', () => {
  for (const [name, status, grpcStatus, expected] of [
    ['no-call', 404, undefined, 404],
    ['ok', 200, 0, 200],
    ['cancelled', 200, 1, 499],
    ['deadline-exceeded', 200, 4, 504],
    ['resource-exhausted', 200, 8, 429],
    ['internal', 200, 13, 500],
    ['unavailable', 200, 14, 503],
    ['unauthenticated', 200, 16, 401],
    ['no-code-of-grpc', 200, 99, 500],
    ['no-number', 200, Number.NaN, 500],
    ['refused-in-http', 415, 0, 415],
  ] as const)
    it(`is ${expected}: ${name}`, () => assert.equal(outcomeStatus(status, grpcStatus), expected));
});
