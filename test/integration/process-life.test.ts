/** What a caller awaits keeps its process alive, although the timers of the mesh do not. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { closedPort, startTcpServer } from '../support/servers.ts';

const run = promisify(execFile);

/** Runs a program that has nothing to do but what it awaits. */
async function outputOf(program: string): Promise<string> {
  const { stdout } = await run(
    process.execPath,
    ['--conditions=meshfetch-source', '--input-type=module', '--eval', `import { createMesh } from 'meshfetch'; ${program}`],
    { cwd: import.meta.dirname },
  );
  return stdout.trim();
}

describe('a process that awaits nothing but the mesh', () => {
  it('lives until a retry has waited and failed', async () => {
    const retry = { maxAttempts: 3, backoff: { baseMs: 100, maxMs: 100 } };
    const services = { orders: { endpoints: [`127.0.0.1:${await closedPort()}`], retry } };
    const output = await outputOf(`
      const mesh = await createMesh({ controlPlane: ${JSON.stringify({ services })} });
      await mesh.fetch('http://orders/').catch((error) => console.log(error.cause.flags, error.cause.attempts.length));`);
    assert.equal(output, 'URX,UF 3');
  });

  it('lives until the configuration of a service has not come in time', async () => {
    const output = await outputOf(`
      const mesh = await createMesh({ controlPlane: { name: 'silent', run: () => new Promise(() => {}) }, configTimeoutMs: 100 });
      await mesh.fetch('http://orders/').catch((error) => console.log(error.cause.code));`);
    assert.equal(output, 'MESH_CONFIG_TIMEOUT');
  });

  it('ends by itself once nothing is awaited', async () => {
    const output = await outputOf(`
      await createMesh({ controlPlane: { services: { orders: { endpoints: ['127.0.0.1:1'] } } } });
      console.log('made');`);
    assert.equal(output, 'made');
  });

  it('is not kept alive by health checks, whether they wait for an endpoint or rest', async () => {
    const silent = await startTcpServer(() => {});
    const healthChecks = [
      { kind: 'http', timeoutMs: 30_000 },
      { kind: 'tcp', expectHex: ['00'], timeoutMs: 30_000 },
    ];
    const services = { orders: { endpoints: [silent.address, `127.0.0.1:${await closedPort()}`], healthChecks } };
    const startMs = performance.now();
    const output = await outputOf(`
      await createMesh({ controlPlane: ${JSON.stringify({ services })} });
      await new Promise((resolve) => setTimeout(resolve, 200));
      console.log('done');`);
    assert.equal(output, 'done');
    assert.equal(silent.connections(), 2, 'the checks had begun');
    assert.ok(performance.now() - startMs < 20_000);
  });
});
