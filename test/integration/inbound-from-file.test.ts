/** `inbound` of mesh.yaml at a port: who comes in, for what, and that an edit of the file is in force. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MeshRequest } from '../../src/model/inbound.ts';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { askHttp1, clientOptions, type Answer } from '../support/listening.ts';
import { eventually } from '../support/mesh-of.ts';

const app = (request: IncomingMessage & { mesh?: MeshRequest }, response: ServerResponse): void =>
  void response.end(request.mesh?.peer.spiffeId ?? 'nobody');

/** A folder with certificates and a mesh.yaml, whose `inbound` is what is given. */
async function folderWith(t: TestContext, inbound: string) {
  const folder = await mkdtemp(join(tmpdir(), 'meshfetch-inbound-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const authority = await testAuthority();
  const identity = await writeIdentityFiles(folder, 'orders', await workloadCertificate(authority, 'orders'), authority);
  const path = join(folder, 'mesh.yaml');
  const write = (text: string): Promise<void> => writeFile(path, `inbound:\n${text}identity: ${JSON.stringify(identity)}\n`);
  await write(inbound);
  const web = clientOptions(authority, await workloadCertificate(authority, 'web'));
  const ops = clientOptions(authority, await workloadCertificate(authority, 'ops'));
  return { path, write, web, ops };
}

async function meshOfFile(t: TestContext, path: string): Promise<Mesh> {
  const mesh = await createMesh({ controlPlane: path, drainTimeoutMs: 0 });
  t.after(() => mesh.close());
  return mesh;
}

async function until(ask: () => Promise<Answer>, status: number): Promise<void> {
  for (let last = 0; last !== status;) last = (await ask()).status;
}

describe('inbound of a file', () => {
  it('lets in over mutual TLS whom it names, for what it names', async (t) => {
    const { path, web, ops } = await folderWith(
      t,
      `  mode: strict
  plaintextPaths: [/healthz]
  authorization:
    - { name: read, from: { identities: [spiffe://example.org/web] }, to: { methods: [GET], paths: [/orders/*] } }
`,
    );
    const mesh = await meshOfFile(t, path);
    const { port } = await mesh.listen(app, { port: 0, host: '127.0.0.1' });
    const served = await askHttp1(port, { path: '/orders/1', tls: web });
    assert.deepEqual([served.status, served.body], [200, 'spiffe://example.org/web']);
    assert.equal((await askHttp1(port, { path: '/orders/1', method: 'POST', tls: web })).status, 403);
    assert.equal((await askHttp1(port, { path: '/orders/1', tls: ops })).status, 403);
    assert.equal((await askHttp1(port, { path: '/orders/1' })).status, 403);
    assert.equal((await askHttp1(port, { path: '/healthz' })).status, 200);
    assert.deepEqual(mesh.status().unhonoured, []);
  });

  it('is in force anew after an edit, and stays as it was after one with a mistake', async (t) => {
    const { path, write, web } = await folderWith(t, '  mode: permissive\n');
    const mesh = await meshOfFile(t, path);
    const { port } = await mesh.listen(app, { port: 0, host: '127.0.0.1' });
    const ask = (): Promise<Answer> => askHttp1(port, { path: '/admin', tls: web });
    assert.equal((await ask()).status, 200);
    await write('  mode: permissive\n  authorization: [{ name: no-admin, action: deny, to: { paths: [/admin] } }]\n');
    await until(ask, 403);
    await write('  mode: permissive\n  authorization: [{ name: no-admin, action: DENY }]\n');
    while (mesh.status().controlPlanes.every(({ error }) => error === undefined)) await ask();
    assert.equal((await ask()).status, 403);
    await write('  mode: strict\n');
    await until(() => askHttp1(port), 403);
    assert.equal((await ask()).status, 200);
  });

  for (const [name, text] of [
    ['nothing', '{}'],
    ['another-port', 'inbound: [{ port: 9, mode: disabled }]'],
  ] as const)
    it(`opens no port when it is gone from the file, until the file says that everybody may come in: ${name}`, async (t) => {
      const { path, write } = await folderWith(t, '  mode: strict\n');
      const mesh = await meshOfFile(t, path);
      const { port } = await mesh.listen(app, { port: 0, host: '127.0.0.1' });
      assert.equal((await askHttp1(port)).status, 403);
      await writeFile(path, text);
      await eventually('the file is read', () => mesh.status().controlPlanes[0]!.unhonoured.length > 0);
      assert.match(
        mesh.status().controlPlanes[0]!.unhonoured[0]!.reason,
        /says nothing of ports any more: the last policy of "inbound" stays in force/,
      );
      assert.equal((await askHttp1(port)).status, 403);
      await write('  mode: permissive\n');
      await until(() => askHttp1(port), 200);
      assert.deepEqual(mesh.status().controlPlanes[0]!.unhonoured, []);
    });

  it('holds by port, and a port that it leaves out is closed unless the program opens it', async (t) => {
    const first = createServer().listen(0, '127.0.0.1');
    await once(first, 'listening');
    const { port: closed } = first.address() as AddressInfo;
    first.close();
    await once(first, 'close');
    const controlPlane = {
      inbound: [{ mode: 'disabled', port: closed, authorization: [{ name: 'nobody', action: 'deny' }] }],
    } as const;
    const mesh = await createMesh({ controlPlane, drainTimeoutMs: 0 });
    t.after(() => mesh.close());
    await mesh.listen(app, { port: closed, host: '127.0.0.1' });
    const other = await mesh.listen(app, { port: 0, host: '127.0.0.1' });
    const opened = await mesh.listen(app, { port: 0, host: '127.0.0.1', policyMissing: 'allow' });
    assert.equal((await askHttp1(closed)).status, 403);
    assert.equal((await askHttp1(other.port)).status, 403);
    assert.equal((await askHttp1(opened.port)).status, 200);
  });

  it('answers preflights of the origins that it names', async (t) => {
    const controlPlane = {
      inbound: { mode: 'disabled', cors: { allowOrigins: ['https://shop.example.org'], allowMethods: ['PUT'] } },
    } as const;
    const mesh = await createMesh({ controlPlane, drainTimeoutMs: 0 });
    t.after(() => mesh.close());
    const { port } = await mesh.listen(app, { port: 0, host: '127.0.0.1' });
    const preflight = (origin: string): Promise<Answer> =>
      askHttp1(port, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT' } });
    const allowed = await preflight('https://shop.example.org');
    assert.deepEqual(
      [allowed.status, allowed.body, allowed.headers['access-control-allow-origin']],
      [200, '', 'https://shop.example.org'],
    );
    assert.equal((await preflight('https://evil.example.org')).body, 'nobody');
    assert.equal((await askHttp1(port)).body, 'nobody');
  });

  it('refuses above its rate', async (t) => {
    const controlPlane = { inbound: { mode: 'disabled', rateLimit: { requests: 2, perMs: 3_600_000 } } } as const;
    const mesh = await createMesh({ controlPlane, drainTimeoutMs: 0 });
    t.after(() => mesh.close());
    const { port } = await mesh.listen(app, { port: 0, host: '127.0.0.1' });
    const statuses = [await askHttp1(port), await askHttp1(port), await askHttp1(port)].map(({ status }) => status);
    assert.deepEqual(statuses, [200, 200, 429]);
  });
});
