/** What becomes of a host that no control plane knows: who decides it, and that `refuse` refuses. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Agent, Pool, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici';
import { createMesh, isMeshError, type Mesh, type MeshOptions } from 'meshfetch';
import { eventually } from '../support/mesh-of.ts';
import { temporaryFolder } from '../support/secured.ts';
import { answer, startServer } from '../support/servers.ts';

const get = async (mesh: Mesh, url: string): Promise<string> => {
  try {
    return await (await request(url, { dispatcher: mesh.dispatcher })).body.text();
  } catch (error) {
    assert.ok(isMeshError(error), String(error));
    return error.code;
  }
};

describe('a host that no control plane knows', async () => {
  const folder = await temporaryFolder();
  const silent = (): string => join(folder, 'silent.yaml');
  const cases: readonly {
    readonly name: string;
    readonly options: () => Pick<MeshOptions, 'controlPlane' | 'unknownHosts'>;
    readonly served: boolean;
  }[] = [
    { name: 'nobody-says', options: () => ({}), served: true },
    { name: 'option-refuses', options: () => ({ unknownHosts: 'refuse' }), served: false },
    {
      name: 'option-over-file',
      options: () => ({ unknownHosts: 'dns', controlPlane: { unknownHosts: 'refuse' } }),
      served: true,
    },
    { name: 'file-refuses', options: () => ({ controlPlane: { unknownHosts: 'refuse' } }), served: false },
    { name: 'silent-file-after', options: () => ({ controlPlane: [{ unknownHosts: 'refuse' }, silent()] }), served: false },
    { name: 'silent-file-before', options: () => ({ controlPlane: [silent(), { unknownHosts: 'refuse' }] }), served: false },
  ];
  for (const { name, options, served } of cases) {
    it(`is ${served ? 'served' : 'refused'} as the first says who says anything: ${name}`, async () => {
      await writeFile(silent(), 'services: {}\n');
      const server = await startServer(answer('reached'));
      await using mesh = await createMesh({ drainTimeoutMs: 0, ...options() });
      assert.equal(await get(mesh, `http://${server.address}/`), served ? 'reached' : 'MESH_UNKNOWN_HOST');
      assert.equal(server.requests.length, served ? 1 : 0);
    });
  }

  it('is refused although the program has a global dispatcher of its own', async () => {
    const before = getGlobalDispatcher();
    class Proxy extends Agent {}
    const own = new Proxy();
    setGlobalDispatcher(own);
    try {
      const server = await startServer(answer('reached'));
      await using mesh = await createMesh({ unknownHosts: 'refuse', drainTimeoutMs: 0 });
      assert.equal(await get(mesh, `http://${server.address}/`), 'MESH_UNKNOWN_HOST');
      assert.equal(server.requests.length, 0);
    } finally {
      setGlobalDispatcher(before);
      await own.destroy();
    }
  });

  it('goes through the global dispatcher that is set now, an Agent with settings too, and no longer through its predecessor', async () => {
    const before = getGlobalDispatcher();
    const seen: string[] = [];
    const noting = (name: string) =>
      new Agent({ factory: (origin, options) => (seen.push(name), new Pool(origin, options)), keepAliveTimeout: 10 });
    const [first, second] = [noting('first'), noting('second')];
    setGlobalDispatcher(first);
    try {
      const server = await startServer(answer('reached'));
      await using mesh = await createMesh({ drainTimeoutMs: 0 });
      assert.equal(await get(mesh, `http://${server.address}/`), 'reached');
      setGlobalDispatcher(mesh.dispatcher);
      assert.equal(await get(mesh, `http://localhost:${new URL(`http://${server.address}`).port}/`), 'reached');
      assert.deepEqual(seen, ['first', 'first']);
      setGlobalDispatcher(second);
      assert.equal(await get(mesh, `http://${server.address}/`), 'reached');
      setGlobalDispatcher(before);
      assert.equal(await get(mesh, `http://${server.address}/`), 'reached');
      assert.deepEqual(seen, ['first', 'first', 'second']);
    } finally {
      setGlobalDispatcher(before);
      await Promise.all([first.destroy(), second.destroy()]);
    }
  });

  it('is refused from the moment that the file says so, even if it was served before', async () => {
    const path = join(folder, 'mesh.yaml');
    await writeFile(path, 'unknownHosts: dns\n');
    const server = await startServer(answer('reached'));
    await using mesh = await createMesh({ controlPlane: path, drainTimeoutMs: 0 });
    const url = `http://${server.address}/`;
    assert.equal(await get(mesh, url), 'reached');
    const version = (): string => mesh.status().controlPlanes[0]!.version;
    const first = version();
    await writeFile(path, 'unknownHosts: refuse\n');
    await eventually('the new file is in force', () => version() !== first);
    assert.equal(await get(mesh, url), 'MESH_UNKNOWN_HOST');
    await writeFile(path, 'unknownHosts: dns\n');
    await eventually('the old file is in force', () => version() === first);
    assert.equal(await get(mesh, url), 'reached');
  });
});
