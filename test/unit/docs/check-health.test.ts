import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closedPort } from '../../support/servers.ts';
import { runPage } from './run-page.ts';

describe('how to check the health of endpoints', () => {
  it('is run as it stands', async () => {
    const ports = new Map([
      ['7001', await closedPort()],
      ['7002', await closedPort()],
    ]);
    const { outputs } = await runPage('docs/how-to/check-health.md', { ports });
    assert.ok(outputs.length >= 6);
  });
});
