import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portsFor } from './page-ports.ts';
import { runPage } from './run-page.ts';

describe('how to run a program that was never changed', () => {
  it('is run as it stands', async () => {
    const { outputs } = await runPage('docs/how-to/run-an-unchanged-program.md', {
      ports: await portsFor(['7001', '7009']),
      // Where there is no DNS at all the system says this instead.
      sameWords: [[/EAI_AGAIN/, 'ENOTFOUND']],
    });
    assert.equal(outputs.length, 2);
  });
});
