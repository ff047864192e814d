import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portsFor } from './page-ports.ts';
import { runPage } from './run-page.ts';

describe('how to run a gRPC program that was never changed', () => {
  it('is run as it stands', async () => {
    const { outputs } = await runPage('docs/how-to/run-an-unchanged-grpc-program.md', {
      ports: await portsFor(['7001', '7009']),
    });
    assert.equal(outputs.length, 2);
  });
});
