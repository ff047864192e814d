import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readText, root, sectionOf, tableRows } from './markdown.ts';

const page = readText('docs/ARCHITECTURE.md');
const test = readText('test/unit/architecture.test.ts');

/** The table of rooms in architecture.test.ts, which holds the code to it. */
function roomsOfTest(): ReadonlyMap<string, readonly string[]> {
  const table = /const rooms[^{]*\{\n([\s\S]*?)\n\};/.exec(test)?.[1] ?? '';
  return new Map(
    [...table.matchAll(/^ {2}'?([\w-]+)'?: \[(.*)\],$/gm)].map(([, room = '', list = '']) => [
      room,
      [...list.matchAll(/'([\w-]+)'/g)].map(([, name = '']) => name),
    ]),
  );
}

describe('the page of the architecture', () => {
  const rows = tableRows(sectionOf(page, '## The rooms'));
  const rooms = roomsOfTest();

  it('names every room of the code and no other', () => {
    const named = rows.map(([room = '']) => room.replaceAll('`', '').replace(/\/$/, ''));
    assert.deepEqual(named.toSorted(), [...rooms.keys()].map((room) => (room === 'assembly' ? 'mesh.ts' : room)).toSorted());
    const folders = readdirSync(join(root, 'src')).filter((name) => statSync(join(root, 'src', name)).isDirectory());
    for (const folder of folders) assert.ok(named.includes(folder), `src/${folder} is not on the page`);
  });

  it('says of the rooms below the assembly what they may import, as the test of the code does', () => {
    for (const [room = '', , imports = ''] of rows) {
      const name = room.replaceAll('`', '').replace(/\/$/, '');
      const allowed = rooms.get(name);
      if (allowed === undefined || ['admin', 'cli', 'testing', 'integrations'].includes(name)) continue;
      const said = imports === '–' ? [] : imports.split(', ');
      assert.deepEqual(said.toSorted(), allowed.toSorted(), name);
    }
  });

  it('names every folder of xDS, and what stands on it', () => {
    const named = tableRows(sectionOf(page, '### xDS, and what stands on it')).map(([cell = '']) => cell.replaceAll('`', ''));
    const folders = readdirSync(join(root, 'src/control-plane/xds'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `xds/${name}/`);
    assert.deepEqual(named.toSorted(), [...folders, 'istio/', 'spiffe/'].toSorted());
  });

  it('names files that exist', () => {
    const places = ['', 'src/', 'src/data-plane/', 'src/control-plane/', 'src/security/', 'src/data-plane/cluster/'];
    const more = [
      'src/data-plane/inbound/',
      'src/data-plane/resilience/',
      'src/data-plane/routing/',
      'src/control-plane/consul/',
      'src/control-plane/file/',
      'src/control-plane/xds/',
      'src/control-plane/xds/client/',
      'src/control-plane/xds/translate/',
    ];
    for (const [, file = ''] of page.matchAll(/`([\w./-]+\.(?:ts|md))`/g))
      assert.ok(
        [...places, ...more].some((place) => existsSync(join(root, place, file))),
        file,
      );
  });

  it('names codes of errors that exist', async () => {
    const { errorTable } = await import('../../../src/base/errors.ts');
    for (const [code] of page.matchAll(/MESH_[A-Z_]*[A-Z]\b(?!_?\*)/g))
      assert.ok(Object.hasOwn(errorTable, code) || Object.keys(errorTable).some((known) => known.startsWith(`${code}_`)), code);
  });
});
