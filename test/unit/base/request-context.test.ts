import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { currentRequest, runWithRequest } from '../../../src/base/request-context.ts';
import { yieldToLoop } from '../../../src/base/runtime.ts';

describe('currentRequest', () => {
  it('is undefined outside of any request', () => {
    assert.equal(currentRequest(), undefined);
  });

  it('is the context of the request that the code serves, through every await', async () => {
    const seen = await Promise.all(
      [1, 2].map((attempt) =>
        runWithRequest({ attempt, isTrusted: false }, async () => {
          await yieldToLoop();
          return currentRequest()?.attempt;
        }),
      ),
    );
    assert.deepEqual(seen, [1, 2]);
    assert.equal(currentRequest(), undefined);
  });

  it('is the same for another copy of the module in the process', async () => {
    const copy = '../../../src/base/request-context.ts?copy=1';
    const other = (await import(copy)) as {
      currentRequest: typeof currentRequest;
    };
    assert.notEqual(other.currentRequest, currentRequest);
    runWithRequest({ attempt: 7, isTrusted: true }, () => assert.equal(other.currentRequest()?.attempt, 7));
  });
});
