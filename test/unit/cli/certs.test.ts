import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';

import { parse } from 'yaml';

import { certs } from '../../../src/cli/certs.ts';
import { systemClock } from '../../../src/base/runtime.ts';
import { fileIdentity } from '../../../src/security/file-identity.ts';
import { createIdentityStore } from '../../../src/security/identity-store.ts';

let root: string;
let directory: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'meshfetch-certs-'));
});
beforeEach(async () => {
  directory = await mkdtemp(join(root, 'case-'));
});
after(() => rm(root, { recursive: true }));

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const status = await certs(args, { stdout: { write: (text) => (out += text) }, stderr: { write: (text) => (err += text) } });
  return { status, out, err };
}

const at = (name: string): string => join(directory, name);
const certificate = async (name: string): Promise<X509Certificate> => new X509Certificate(await readFile(at(name)));

describe('meshfetch certs', () => {
  it('makes a CA and a certificate with its key for each name', async () => {
    const { status, err } = await run('web', 'orders', '--out', directory);
    assert.equal(err, '');
    assert.equal(status, 0);
    assert.deepEqual((await readdir(directory)).sort(), ['ca.key', 'ca.pem', 'orders.key', 'orders.pem', 'web.key', 'web.pem']);
    const [ca, web] = [await certificate('ca.pem'), await certificate('web.pem')];
    assert.equal(web.subjectAltName, 'URI:spiffe://example.org/web, DNS:web, DNS:localhost');
    assert.ok(web.checkIssued(ca) && web.verify(ca.publicKey));
    assert.equal(Math.round((web.validToDate.getTime() - systemClock.wallNow()) / 86_400_000), 90);
  });

  it('makes keys that only this user can read', { skip: process.platform === 'win32' }, async () => {
    await run('web', '--out', directory);
    for (const name of ['ca.key', 'web.key']) assert.equal((await stat(at(name))).mode & 0o777, 0o600, name);
  });

  it('makes what an identity from files takes', async () => {
    const { out } = await run('web', '--out', directory);
    const line = out.split('\n').find((each) => each.includes('identity:'))!;
    const { identity } = parse(line) as { identity: { certificate: string; privateKey: string; trustBundle: string } };
    const store = createIdentityStore({ clock: systemClock });
    const abort = new AbortController();
    const taken = new Promise<void>((resolve) => store.watch(({ kind }) => kind === 'trust-bundle' && resolve()));
    const running = fileIdentity({ ...identity, clock: systemClock }).run(store, abort.signal);
    await Promise.race([taken, running]);
    assert.equal(store.svid('default')?.spiffeId, 'spiffe://example.org/web');
    abort.abort();
    await running;
  });

  it('uses the CA that is there, and its trust domain', async () => {
    await run('web', '--out', directory, '--trust-domain', 'shop.example');
    const before = await readFile(at('ca.pem'), 'utf8');
    const { status, out } = await run('orders', '--out', directory, '--json');
    assert.equal(status, 0);
    assert.equal(await readFile(at('ca.pem'), 'utf8'), before);
    const made = JSON.parse(out) as { ca: { created: boolean }; certificates: { spiffeId: string; notAfter: string }[] };
    assert.equal(made.ca.created, false);
    assert.deepEqual(
      made.certificates.map(({ spiffeId }) => spiffeId),
      ['spiffe://shop.example/orders'],
    );
    assert.ok((await certificate('orders.pem')).checkIssued(await certificate('ca.pem')));
  });

  it('adds DNS names and counts the days', async () => {
    await run('web', '--out', directory, '--dns', 'web.shop.svc', '--dns', '*.internal.example', '--days', '3');
    const web = await certificate('web.pem');
    assert.equal(
      web.subjectAltName,
      'URI:spiffe://example.org/web, DNS:web, DNS:localhost, DNS:web.shop.svc, DNS:*.internal.example',
    );
    assert.equal(Math.round((web.validToDate.getTime() - systemClock.wallNow()) / 86_400_000), 3);
  });

  it('makes no certificate that outlives its CA', async () => {
    await run('web', '--out', directory, '--days', '9999');
    assert.equal((await certificate('web.pem')).validTo, (await certificate('ca.pem')).validTo);
  });

  it('replaces nothing without --force, not even the names that are not there yet', async () => {
    await run('web', '--out', directory);
    const before = await readFile(at('web.pem'), 'utf8');
    const refused = await run('orders', 'web', '--out', directory);
    assert.equal(refused.status, 1);
    assert.match(refused.err, /web\.pem is there already; use --force to replace it/);
    assert.equal((await readdir(directory)).includes('orders.pem'), false);
    assert.equal(await readFile(at('web.pem'), 'utf8'), before);
    assert.equal((await run('orders', 'web', '--out', directory, '--force')).status, 0);
    assert.notEqual(await readFile(at('web.pem'), 'utf8'), before);
    assert.equal((await readdir(directory)).length, 6);
  });

  for (const { name, spoil, message } of [
    {
      name: 'key-gone',
      spoil: () => unlink(at('ca.key')),
      message: /ca\.pem is there without .*ca\.key; put it back, or delete/,
    },
    { name: 'certificate-gone', spoil: () => unlink(at('ca.pem')), message: /ca\.key is there without .*ca\.pem/ },
    { name: 'not-pem', spoil: () => writeFile(at('ca.pem'), 'x'), message: /ca\.pem is no certificate; delete/ },
    {
      name: 'key-of-another',
      spoil: async () => writeFile(at('ca.key'), await readFile(at('web.key'))),
      message: /cannot be used: the private key does not belong to the certificate; delete/,
    },
  ]) {
    it(`says what is wrong with the CA that is there: ${name}`, async () => {
      await run('web', '--out', directory);
      await spoil();
      const { status, err } = await run('orders', '--out', directory);
      assert.equal(status, 1);
      assert.match(err, message);
    });
  }

  it('does not mix trust domains in a folder', async () => {
    await run('web', '--out', directory);
    const { status, err } = await run('orders', '--out', directory, '--trust-domain', 'other.example');
    assert.equal(status, 1);
    assert.match(err, /is that of example\.org, not other\.example; choose another folder by --out/);
  });

  for (const { name, args, message } of [
    { name: 'no-names', args: [], message: /name at least one workload/ },
    { name: 'unknown-option', args: ['web', '--bogus'], message: /--bogus/ },
    { name: 'path-in-a-name', args: ['../web'], message: /"\.\.\/web" is no workload name/ },
    { name: 'the-name-of-the-ca', args: ['CA'], message: /taken by the CA/ },
    { name: 'a-name-twice', args: ['web', 'web'], message: /"web" is named twice/ },
    { name: 'days-not-a-number', args: ['web', '--days', 'many'], message: /--days is a whole number/ },
    { name: 'no-days', args: ['web', '--days', '0'], message: /--days is a whole number/ },
    {
      name: 'trust-domain-with-a-scheme',
      args: ['web', '--trust-domain', 'spiffe://x'],
      message: /--trust-domain is a name such as/,
    },
    { name: 'trust-domain-in-upper-case', args: ['web', '--trust-domain', 'Example.org'], message: /--trust-domain: .*a-z/ },
    { name: 'dns-with-a-space', args: ['web', '--dns', 'a b'], message: /--dns: "a b" is no DNS name/ },
  ]) {
    it(`makes nothing of wrong arguments: ${name}`, async () => {
      const { status, err } = await run(...args, '--out', join(directory, 'new'));
      assert.equal(status, 2);
      assert.match(err, message);
      assert.match(err, /Try `meshfetch certs --help`/);
      assert.deepEqual(await readdir(directory), []);
    });
  }

  it('explains itself', async () => {
    const { status, out } = await run('--help');
    assert.equal(status, 0);
    for (const option of ['--out', '--trust-domain', '--dns', '--days', '--force', '--json', 'Not for production']) {
      assert.ok(out.includes(option), option);
    }
  });
});
