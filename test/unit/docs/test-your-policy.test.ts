import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runPage } from './run-page.ts';

describe('how to test a policy', () => {
  it('is run as it stands', async () => {
    const { outputs } = await runPage('docs/how-to/test-your-policy.md');
    assert.equal(outputs.length, 6);
  });
});
