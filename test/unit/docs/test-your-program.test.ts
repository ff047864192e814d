import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { greets } from '../../../docs/examples/test-your-program/grpc.ts';
import { callers } from '../../../docs/examples/test-your-program/mutual-tls.ts';
import { timesOutAfterAnHour } from '../../../docs/examples/test-your-program/virtual-clock.ts';
import { runPage } from './run-page.ts';

describe('the ways to test a program', () => {
  it('are run as they stand', async () => {
    const { outputs } = await runPage('docs/how-to/test-with-mockagent-or-virtual-clock.md');
    assert.equal(outputs.length, 2);
  });

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

  it('script a service of gRPC, for any client of gRPC', async () => {
    assert.equal(await greets('Ada'), 'hello Ada');
    await assert.rejects(greets(''), { code: 3, details: 'who are you?' });
  });

  it('show certificates that the test issues', async () => {
    assert.deepEqual(await callers(), ['spiffe://example.org/web', 'spiffe://example.org/web-of-tomorrow']);
  });
});
