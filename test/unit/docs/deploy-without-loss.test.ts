import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closedPort } from '../../support/servers.ts';
import { runPage } from './run-page.ts';

describe('how to deploy without a lost request', () => {
  it('restarts two instances one after the other, and loses no POST', async () => {
    const ports = new Map([
      ['7001', await closedPort()],
      ['7002', await closedPort()],
    ]);
    const { outputs } = await runPage('docs/how-to/deploy-without-loss.md', { ports });
    assert.match(outputs.join('\n'), /, 0 lost/);
  });
});
