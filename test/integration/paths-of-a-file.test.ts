/** A policy makes a port no weaker than it is without one: paths of a mesh.yaml have the strict rules, unless it says otherwise. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createMesh } from 'meshfetch';
import { send } from '../support/inbound.ts';

const rules = `
    - { name: no-admin, action: deny, to: { paths: [/admin, '/v1/items:delete', '/root@corp/*', /caf%c3%a9] } }`;

async function serve(t: TestContext, normalization = '', options = {}): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'meshfetch-paths-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'mesh.yaml');
  await writeFile(file, `inbound:\n  mode: disabled\n${normalization}  authorization:${rules}\n`);
  const mesh = await createMesh({ controlPlane: `file:${file}` });
  t.after(() => mesh.close());
  await mesh.ready();
  const server = await mesh.listen((request, response) => void response.end(request.url), {
    port: 0,
    host: '127.0.0.1',
    ...options,
  });
  return server.port;
}

const statusOf = async (port: number, path: string): Promise<number> => (await send(port, path)).status;

describe('paths on a port whose policy is a file', () => {
  const rows = [
    { name: 'as-written', path: '/admin', status: 403 },
    { name: 'malformed-escape', path: '/admin%', status: 400 },
    { name: 'escape-of-no-byte', path: '/a%zz', status: 400 },
    { name: 'parameters-of-encoded-dots', path: '/x/%2e%2e;/admin', status: 403 },
    { name: 'needless-escape-before-a-verb', path: '/v1/items%3Adelete', status: 403 },
    { name: 'needless-escape-in-a-name', path: '/root%40corp/1', status: 403 },
    { name: 'digits-of-an-escape', path: '/caf%C3%A9', status: 403 },
    { name: 'capitals-behind-a-handler-that-is-unknown', path: '/ADMIN', status: 403 },
    { name: 'final-slash-behind-a-handler-that-is-unknown', path: '/admin/', status: 403 },
    { name: 'another-path', path: '/admins', status: 200 },
  ];
  for (const { name, path, status } of rows)
    it(`${name} is met by the rule or refused`, async (t) => assert.equal(await statusOf(await serve(t), path), status));

  it('have the strict rules beside what the file changes', async (t) => {
    const port = await serve(t, '  pathNormalization: { escapedSlashes: unescape }\n');
    assert.deepEqual(
      await Promise.all(['/a%zz', '/x%2F..%2Fadmin', '/v1/items%3Adelete'].map((path) => statusOf(port, path))),
      [400, 403, 403],
    );
  });

  it('keep capitals and final slashes apart where the program says that its router does', async (t) => {
    const port = await serve(t, '', { ignorePathCase: false, ignoreTrailingSlash: false });
    assert.deepEqual(await Promise.all(['/admin', '/ADMIN', '/admin/'].map((path) => statusOf(port, path))), [403, 200, 200]);
  });
});
