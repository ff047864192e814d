import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { explainCommand } from '../../../src/cli/explain.ts';
import { entry, startFakeConsul } from '../control-plane/consul/fake-consul.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshfetch-explain-'));
});
after(() => rm(directory, { recursive: true }));

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const io = { stdout: { write: (text: string) => (out += text) }, stderr: { write: (text: string) => (err += text) } };
  const status = await explainCommand(args, io);
  return { status, out, err };
}

async function config(text: string): Promise<string> {
  const path = join(directory, 'mesh.yaml');
  await writeFile(path, text);
  return path;
}

describe('meshfetch explain', { timeout: 30_000 }, () => {
  it('waits for the answer of a control plane that is asked for each service', async () => {
    await using consul = await startFakeConsul();
    const running = run('http://orders/', '--config', consul.origin.replace('http:', 'consul:'));
    (await consul.next()).answer([entry(7001)], 7);
    const { status, out } = await running;
    assert.match(out, /100 % to orders: 1 of 1 endpoints healthy/);
    assert.equal(status, 0);
  });

  it('waits for the addresses of a name', async () => {
    const path = await config('services: { billing: { dns: "localhost:8080" } }\n');
    const { status, out } = await run('http://billing/', '--config', path);
    assert.match(out, /100 % to billing: (\d) of \1 endpoints healthy/);
    assert.match(out, /127\.0\.0\.1:8080 {2}healthy/);
    assert.equal(status, 0);
  });

  it('says why there are no addresses', async () => {
    const path = await config('services: { billing: { dns: "nobody.invalid:8080" } }\n');
    const { status, out } = await run('http://billing/', '--config', path);
    assert.match(out, /100 % to billing: .*nobody\.invalid/);
    assert.equal(status, 1);
  });

  it('explains a host that is no service', async () => {
    const { status, out } = await run('http://localhost:9/', '--config', await config('services: {}\n'));
    assert.match(out, /(\d) of \1 endpoints healthy/);
    assert.equal(status, 0);
  });

  for (const url of ['nonsense', 'orders/api', 'ftp://orders/']) {
    it(`says what a URL looks like when given ${url}`, async () => {
      const { status, out, err } = await run(url, '--config', await config('services: {}\n'));
      assert.equal(err, `meshfetch explain: "${url}" is no URL; write it out, as in http://orders/api\n`);
      assert.equal(out, '');
      assert.equal(status, 2);
    });
  }
});
