import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  readSnapshot,
  snapshotPath,
  writeSnapshot,
  type SavedSnapshot,
} from '../../../../../src/control-plane/xds/source/snapshot-file.ts';

const saved: SavedSnapshot = {
  writtenMs: 1_700_000_000_000,
  resources: [
    { kind: 'cluster', name: 'orders', version: '7', bytes: Uint8Array.of(1, 2, 3) },
    { kind: 'endpoints', name: 'orders\nwith "odd" name', version: '', bytes: Uint8Array.of() },
    { kind: 'listener', name: 'l', version: '9', bytes: Uint8Array.of(10, 13, 0, 255) },
  ],
};

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), 'snapshot-'));
  try {
    await test(join(parent, 'ours'));
  } finally {
    await rm(parent, { recursive: true });
  }
}

describe('a snapshot on the disk', () => {
  it('is read as it was written', () =>
    inFolder(async (folder) => {
      assert.equal(await readSnapshot(folder, 'me'), undefined);
      await writeSnapshot(folder, 'me', saved);
      const found = await readSnapshot(folder, 'me');
      assert.deepEqual(
        found?.resources.map((resource) => ({ ...resource, bytes: [...resource.bytes] })),
        saved.resources.map((resource) => ({ ...resource, bytes: [...resource.bytes] })),
      );
      assert.equal(found?.writtenMs, saved.writtenMs);
    }));

  it('is for its owner alone, in a folder for its owner alone', () =>
    inFolder(async (folder) => {
      await writeSnapshot(folder, 'me', saved);
      assert.equal((await stat(folder)).mode & 0o777, 0o700);
      assert.equal((await stat(snapshotPath(folder, 'me'))).mode & 0o777, 0o600);
    }));

  it('takes the place of the one before and leaves nothing else', () =>
    inFolder(async (folder) => {
      await writeSnapshot(folder, 'me', saved);
      await writeSnapshot(folder, 'me', { ...saved, resources: [] });
      assert.deepEqual((await readSnapshot(folder, 'me'))?.resources, []);
      assert.equal((await readdir(folder)).length, 1);
    }));

  it('is one for each node', () =>
    inFolder(async (folder) => {
      await writeSnapshot(folder, 'me', saved);
      assert.equal(await readSnapshot(folder, 'you'), undefined);
    }));

  for (const { name, spoil, reason } of [
    {
      name: 'a-byte-changed',
      spoil: async (path: string) => {
        const bytes = await readFile(path);
        bytes[bytes.length - 1]! ^= 1;
        await writeFile(path, bytes);
      },
      reason: /is damaged/,
    },
    {
      name: 'cut-off',
      spoil: async (path: string) => writeFile(path, (await readFile(path)).subarray(0, -2)),
      reason: /is damaged/,
    },
    { name: 'garbage', spoil: (path: string) => writeFile(path, 'garbage'), reason: /no snapshot of this format/ },
    {
      name: 'another-format',
      spoil: async (path: string) =>
        writeFile(path, (await readFile(path, 'latin1')).replace('snapshot 1', 'snapshot 2'), 'latin1'),
      reason: /no snapshot of this format/,
    },
    { name: 'readable-by-others', spoil: (path: string) => chmod(path, 0o644), reason: /others may use/ },
    { name: 'folder-open-to-others', spoil: (path: string) => chmod(join(path, '..'), 0o777), reason: /others may use/ },
    {
      name: 'a-link',
      spoil: async (path: string) => {
        await writeFile(`${path}.other`, await readFile(path), { mode: 0o600 });
        await rm(path);
        await symlink(`${path}.other`, path);
      },
      reason: /is a link/,
    },
  ]) {
    it(`is not used when it is not beyond doubt: ${name}`, () =>
      inFolder(async (folder) => {
        await writeSnapshot(folder, 'me', saved);
        await spoil(snapshotPath(folder, 'me'));
        await assert.rejects(readSnapshot(folder, 'me'), reason);
      }));
  }

  for (const { name, change } of [
    { name: 'longer', change: (size: number) => size + 1 },
    { name: 'shorter', change: (size: number) => size - 1 },
    { name: 'below-nothing', change: () => -1 },
    { name: 'no-number', change: () => 'all' },
  ])
    it(`gave resources bytes of others where its sizes are wrong: ${name}`, () =>
      inFolder(async (folder) => {
        await writeSnapshot(folder, 'me', saved);
        const path = snapshotPath(folder, 'me');
        const [title, , header, ...bytes] = (await readFile(path, 'latin1')).split('\n');
        const parsed = JSON.parse(header!) as { resources: { size: number | string }[] };
        parsed.resources[0]!.size = change(3);
        const body = [JSON.stringify(parsed), ...bytes].join('\n');
        const sum = createHash('sha256').update(Buffer.from(body, 'latin1')).digest('hex');
        await writeFile(path, [title, sum, body].join('\n'), { encoding: 'latin1', mode: 0o600 });
        await assert.rejects(readSnapshot(folder, 'me'), /is damaged: it has/);
      }));

  it('is not used when it is the snapshot of another node under our name', () =>
    inFolder(async (folder) => {
      await writeSnapshot(folder, 'you', saved);
      await writeFile(snapshotPath(folder, 'me'), await readFile(snapshotPath(folder, 'you')), { mode: 0o600 });
      await assert.rejects(readSnapshot(folder, 'me'), /of another node/);
    }));

  it('is not written into a folder that others may use', () =>
    inFolder(async (folder) => {
      await writeSnapshot(folder, 'me', saved);
      await chmod(folder, 0o770);
      await assert.rejects(writeSnapshot(folder, 'me', saved), /others may use/);
    }));
});
