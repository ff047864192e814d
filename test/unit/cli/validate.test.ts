import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { validate } from '../../../src/cli/validate.ts';
import { maxFileBytes } from '../../../src/control-plane/file/client.ts';

let path: string;
before(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'meshfetch-validate-')), 'mesh.yaml');
});
after(() => rm(join(path, '..'), { recursive: true }));

async function run(text: string): Promise<{ status: number; out: string }> {
  await writeFile(path, text);
  let out = '';
  const status = await validate([path], { stdout: { write: (part) => (out += part) }, stderr: { write: () => {} } });
  return { status, out };
}

describe('meshfetch validate', () => {
  it('counts the services of a good file', async () => {
    const { status, out } = await run('services: { a: { dns: "h:1" }, b: { dns: "h:2" } }\n');
    assert.match(out, /mesh\.yaml: good, 2 services: a, b\n$/);
    assert.equal(status, 0);
  });

  it('prints the mistakes with their places', async () => {
    const { status, out } = await run('service: {}\n');
    assert.match(out, /service \(.*mesh\.yaml:1:1\): unknown key; did you mean "services"\?/);
    assert.equal(status, 1);
  });

  it('refuses a file that a mesh would refuse for its size', async () => {
    await assert.rejects(run(`# ${'x'.repeat(maxFileBytes)}\n`), {
      code: 'MESH_CONFIG_UNREADABLE',
      message: /1048576 are allowed/,
    });
  });

  it('refuses a file that a mesh would refuse for its encoding', async () => {
    await writeFile(path, new Uint8Array([0xff, 0xfe, 0x41]));
    const io = { stdout: { write: () => {} }, stderr: { write: () => {} } };
    await assert.rejects(validate([path], io), { code: 'MESH_CONFIG_UNREADABLE', message: /not UTF-8/ });
  });
});
