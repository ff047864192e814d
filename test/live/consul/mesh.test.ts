import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createMesh } from '../../../src/index.ts';
import { startAgent, type ConsulAgent } from './agent.ts';

const running = new Set<ChildProcess>();

/** A server in a process of its own, which can be killed as processes are. */
async function startProcess(): Promise<{ readonly port: number; kill(): Promise<void> }> {
  const program = `
    const server = require('node:http').createServer((request, response) => response.end(String(server.address().port)));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  `;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    port: Number(line),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

describe('a mesh that discovers its services in a real Consul', { timeout: 120_000 }, () => {
  let agent: ConsulAgent;
  before(async () => {
    agent = await startAgent();
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await agent.kill();
  });
  const url = (): string => agent.address.replace('http:', 'consul:');
  const register = (name: string, port: number): Promise<void> =>
    agent.register({
      ID: `${name}-${port}`,
      Name: name,
      Address: '127.0.0.1',
      Port: port,
      Check: { TCP: `127.0.0.1:${port}`, Interval: '1s', Timeout: '1s', Status: 'passing' },
    });

  it('loses no request when one of three instances is killed under load, stops using it, and uses a new one', async () => {
    const instances = [await startProcess(), await startProcess(), await startProcess()] as const;
    for (const { port } of instances) await register('orders', port);
    await using mesh = await createMesh({ controlPlane: url() });
    const ask = async (): Promise<number> => {
      const response = await mesh.fetch('http://orders/');
      assert.equal(response.status, 200);
      return Number(await response.text());
    };
    const ports = instances.map(({ port }) => port);
    const load = async (goOn: () => boolean): Promise<Set<number>> => {
      const seen = new Set<number>();
      const worker = async (): Promise<void> => {
        while (goOn()) seen.add(await ask());
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      return seen;
    };
    const times = (count: number) => () => count-- > 0;
    assert.deepEqual(await load(times(200)), new Set(ports));

    const [dead, ...alive] = ports;
    const isListed = (): boolean => JSON.stringify(mesh.status()).includes(`:${dead}"`);
    assert.ok(isListed());
    // The load goes on from before the kill until Consul's check, every second, has found it and the mesh has heard of it.
    const underLoad = load(isListed);
    await ask();
    await instances[0].kill();
    assert.ok(isListed(), 'the instance was killed before anybody knew');
    await underLoad;
    assert.deepEqual(await load(times(200)), new Set(alive));

    const fourth = await startProcess();
    await register('orders', fourth.port);
    while ((await ask()) !== fourth.port);
    for (const instance of [...instances, fourth]) await instance.kill();
  });

  it('lets a program end that made its requests and did not close its mesh', async () => {
    const instance = await startProcess();
    await register('short', instance.port);
    const program = `
      import { createMesh } from './src/index.ts';
      const mesh = await createMesh({ controlPlane: process.argv[1] });
      console.log('answered by ' + await (await mesh.fetch('http://short/')).text());
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=meshfetch-source', '--input-type=module', '-e', program, url()],
      {
        cwd: new URL('../../..', import.meta.url).pathname,
        timeout: 30_000,
      },
    );
    assert.match(stdout, new RegExp(`answered by ${instance.port}`));
    await instance.kill();
  });

  it('answers a request for a service whose instances are all critical with a refusal, not with DNS', async () => {
    await agent.register({
      ID: 'sick-1',
      Name: 'sick',
      Address: '127.0.0.1',
      Port: 7001,
      Check: { TTL: '10m', Status: 'critical' },
    });
    await using mesh = await createMesh({ controlPlane: url() });
    await assert.rejects(mesh.fetch('http://sick/'), (error: unknown) => {
      assert.ok(error instanceof TypeError);
      assert.equal((error.cause as { code?: unknown }).code, 'MESH_NO_HEALTHY_ENDPOINT');
      return true;
    });
  });

  it('names the control plane and its trouble when a request waits for it in vain', async () => {
    await using gone = await startAgent();
    await gone.kill();
    await using mesh = await createMesh({ controlPlane: gone.address.replace('http:', 'consul:'), configTimeoutMs: 300 });
    await assert.rejects(mesh.fetch('http://orders/'), (error: unknown) => {
      const { code, message } = (error as TypeError).cause as { code?: unknown; message: string };
      assert.equal(code, 'MESH_CONFIG_TIMEOUT');
      assert.match(message, /consul.*cannot be reached.*is the agent running/);
      return true;
    });
  });
});
