import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portsFor } from './page-ports.ts';
import { runPage } from './run-page.ts';

describe('how to use Connect', () => {
  it('is run as it stands', async () => {
    const { outputs } = await runPage('docs/how-to/use-with-connect.md', { ports: await portsFor(['7001', '7009']) });
    assert.ok(outputs.length > 2);
  });
});
