import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { validate } from '../../../src/cli/validate.ts';
import { maxFileBytes } from '../../../src/control-plane/file/client.ts';
import { testAuthority, workloadCertificate } from '../../support/certificates.ts';

let path: string;
before(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'meshfetch-validate-')), 'mesh.yaml');
});
after(() => rm(join(path, '..'), { recursive: true }));

async function run(text: string | Uint8Array, ...options: string[]): Promise<{ status: number; out: string; err: string }> {
  await writeFile(path, text);
  let out = '';
  let err = '';
  const status = await validate([path, ...options], {
    stdout: { write: (part) => (out += part) },
    stderr: { write: (part) => (err += part) },
  });
  return { status, out, err };
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

  describe('with an identity', () => {
    const text = 'services: {}\nidentity: { certificate: web.pem, privateKey: web.key, trustBundle: ca.pem }\n';
    const write = async (name: string, content: string): Promise<void> => {
      await writeFile(join(path, '..', name), content, { mode: 0o600 });
    };
    before(async () => {
      const authority = await testAuthority();
      const { certificateChain, privateKey } = await workloadCertificate(authority, 'web');
      await write('web.pem', certificateChain);
      await write('web.key', privateKey.reveal());
      await write('ca.pem', authority.certificate);
    });

    it('opens its files, which lie beside the file that names them', async () => {
      const { status, out } = await run(text);
      assert.match(out, /mesh\.yaml: good, 0 services\n$/);
      assert.equal(status, 0);
    });

    it('tells which of them is bad and why, as a mesh that starts would', async () => {
      await write('stranger.key', (await workloadCertificate(await testAuthority(), 'stranger')).privateKey.reveal());
      const { status, out } = await run(text.replace('web.key', 'stranger.key'));
      assert.match(
        out,
        /mesh\.yaml has a mistake:\n {2}identity: .*web\.pem and .*stranger\.key: the private key does not belong/,
      );
      assert.equal(status, 1);
    });

    it('tells which of them is missing, and as JSON too', async () => {
      const { status, out } = await run(text.replace('ca.pem', 'nothing.pem'), '--json');
      const { ok, problems } = JSON.parse(out) as { ok: boolean; problems: { path: string; reason: string }[] };
      assert.equal(ok, false);
      assert.equal(problems[0]?.path, 'identity');
      assert.match(problems[0].reason, /nothing\.pem cannot be read \(ENOENT\); check the path, or make/);
      assert.equal(status, 1);
    });

    it('leaves them alone where it is told to', async () => {
      const { status } = await run(text.replace('ca.pem', 'nothing.pem'), '--no-identity');
      assert.equal(status, 0);
    });

    it('passes on what a mesh would warn of', { skip: process.platform === 'win32' }, async () => {
      await chmod(join(path, '..', 'web.key'), 0o644);
      const { status, out } = await run(text);
      assert.match(out, /: good, .*\n {2}warning: every user of this machine can read the private key/);
      assert.equal(status, 0);
    });
  });

  it('warns of what has no effect', async () => {
    const text = 'services: { a: { dns: "h:1", hash: [{ header: x-user }] } }\n';
    const { status, out } = await run(text);
    assert.match(
      out,
      /: good, 1 service: a\n {2}warning: services\.a\.hash: loadBalancing\.policy \(least-request\) does not hash/,
    );
    assert.equal(status, 0);
    const { warnings } = JSON.parse((await run(text, '--json')).out) as { warnings: { path: string }[] };
    assert.equal(warnings[0]?.path, 'services.a.hash');
  });

  it('checks every file that it is given, and ends with the worst of what it found', async () => {
    const other = join(path, '..', 'other.yaml');
    await writeFile(other, 'service: {}\n');
    const good = 'services: { a: { dns: "h:1" } }\n';
    const { status, out } = await run(good, other, path);
    assert.match(out, /mesh\.yaml: good, .*\n.*other\.yaml has a mistake:\n.*\n.*mesh\.yaml: good/);
    assert.equal(status, 1);
    const all = await run(good, join(path, '..', 'nothing.yaml'), other);
    assert.match(all.err, /^meshfetch validate: cannot read the configuration .*nothing\.yaml: there is no such file/);
    assert.match(all.out, /other\.yaml has a mistake/);
    assert.equal(all.status, 2);
    const lines = (await run(good, other, '--json')).out.trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { ok: boolean }).ok),
      [true, false],
    );
  });

  it('refuses a file that a mesh would refuse for its size', async () => {
    const { status, err } = await run(`# ${'x'.repeat(maxFileBytes)}\n`);
    assert.match(err, /1048576 are allowed/);
    assert.equal(status, 2);
  });

  it('refuses a file that a mesh would refuse for its encoding', async () => {
    const { status, err } = await run(new Uint8Array([0xff, 0xfe, 0x41]));
    assert.match(err, /not UTF-8/);
    assert.equal(status, 2);
  });
});
