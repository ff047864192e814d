import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { maxFileBytes, readConfigFile, versionOf } from '../../../../src/control-plane/file/client.ts';

describe('reading a configuration file', () => {
  let directory: string;
  const path = (name: string): string => join(directory, name);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'meshfetch-'));
    await mkdir(path('directory'));
    await writeFile(path('at-the-limit'), 'x'.repeat(maxFileBytes));
    await writeFile(path('over-the-limit'), 'x'.repeat(maxFileBytes + 1));
    await writeFile(path('latin-1'), Buffer.from([0x61, 0xe9]));
    await writeFile(path('not-ours'), '{}');
    await chmod(path('not-ours'), 0o000);
    await symlink('loop', path('loop'));
    execFileSync('mkfifo', [path('pipe')]);
  });
  after(() => rm(directory, { recursive: true }));

  it('gives the text and a version that is of its bytes', async () => {
    await writeFile(path('mesh.yaml'), 'services: {} # ä\n');
    assert.deepEqual(await readConfigFile(path('mesh.yaml')), {
      text: 'services: {} # ä\n',
      version: versionOf('services: {} # ä\n'),
    });
  });

  it('drops a byte order mark', async () => {
    await writeFile(path('bom.yaml'), '\uFEFF{}');
    assert.equal((await readConfigFile(path('bom.yaml'))).text, '{}');
  });

  it('takes a file of exactly the allowed size', async () => {
    assert.equal((await readConfigFile(path('at-the-limit'))).text.length, maxFileBytes);
  });

  const isRoot = process.getuid?.() === 0;
  const rows: readonly { readonly name: string; readonly reason: RegExp; readonly skip?: boolean }[] = [
    { name: 'missing', reason: /there is no such file; check the path/ },
    { name: 'directory', reason: /it is a directory; name the file in it/ },
    { name: 'pipe', reason: /it is no regular file/ },
    { name: 'over-the-limit', reason: /it has 1048577 bytes, 1048576 are allowed/ },
    { name: 'latin-1', reason: /it is not UTF-8/ },
    { name: 'not-ours', reason: /this process may not read it/, skip: isRoot },
    { name: 'at-the-limit/mesh.yaml', reason: /a part of the path is no directory/ },
    { name: 'loop', reason: /its symbolic links lead in a circle/ },
  ];
  for (const { name, reason, skip = false } of rows) {
    it(`says what is wrong with ${name}`, { skip: skip && 'root may read everything' }, async () => {
      await assert.rejects(readConfigFile(path(name)), { code: 'MESH_CONFIG_UNREADABLE', message: reason });
    });
  }
});
