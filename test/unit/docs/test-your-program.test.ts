import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { timesOutAfterAnHour } from '../../../docs/examples/test-your-program/virtual-clock.ts';

describe('the ways to test a program', () => {
  it('answer from a MockAgent what no control plane knows', async () => {
    const before = getGlobalDispatcher();
    const { text } = await import('../../../docs/examples/test-your-program/mock-agent.ts');
    setGlobalDispatcher(before);
    assert.equal(text, 'a mocked order');
  });

  it('let an hour pass in no time', async () => {
    const error = await timesOutAfterAnHour();
    assert.equal(error.code, 'MESH_TIMEOUT');
    assert.equal(error.attempts[0]?.durationMs, 3_600_000);
  });
});
