import assert from 'node:assert/strict';
import { chmod, copyFile, mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';

import { MeshError } from '../../../src/base/errors.ts';
import { systemClock, type Clock } from '../../../src/base/runtime.ts';
import type { ControlPlaneStatus } from '../../../src/model/contracts.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../src/security/certificate-authority.ts';
import { fileIdentity, type FileIdentityOptions } from '../../../src/security/file-identity.ts';
import { createIdentityStore, type IdentityEvent, type IdentityStore } from '../../../src/security/identity-store.ts';
import { hourMs, testAuthority, validity, workloadCertificate, writeIdentityFiles } from '../../support/certificates.ts';

let root: string;
let directory: string;
let ca: CertificateAuthority;
let web: IssuedCertificate;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'meshfetch-identity-'));
  ca = await testAuthority();
  web = await workloadCertificate(ca, 'web');
});
beforeEach(async () => {
  directory = await mkdtemp(join(root, 'case-'));
});
after(() => rm(root, { recursive: true }));

/** Real time, except that the grace for files that do not fit together is over when the test says so. */
function graceClock(): Clock & { endGrace(): void } {
  let graces: (() => void)[] = [];
  let extraMs = 0;
  return {
    ...systemClock,
    now: () => systemClock.now() + extraMs,
    setTimer(callback, delayMs) {
      if (delayMs < 400) return systemClock.setTimer(callback, delayMs); // the settling time of the watch
      graces.push(callback);
      return { cancel: () => void (graces = graces.filter((grace) => grace !== callback)) };
    },
    endGrace() {
      extraMs += 10_000;
      const due = graces;
      graces = [];
      for (const callback of due) callback();
    },
  };
}

interface Running {
  readonly store: IdentityStore;
  readonly statuses: ControlPlaneStatus[];
  readonly refusals: readonly (IdentityEvent & { type: 'identity-refused' })[];
  /** Resolves at the first status of which the test is true, now or later. */
  until(test: (status: ControlPlaneStatus) => boolean): Promise<ControlPlaneStatus>;
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

function run(files: Omit<FileIdentityOptions, 'clock'>, clock: Clock = systemClock): Running {
  const statuses: ControlPlaneStatus[] = [];
  const refusals: (IdentityEvent & { type: 'identity-refused' })[] = [];
  let wake: (() => void) | undefined;
  const store = createIdentityStore({
    clock: systemClock,
    onEvent: (event) => {
      if (event.type === 'identity-refused') refusals.push(event);
      if (event.type !== 'identity-source') return;
      statuses.push(event);
      wake?.();
    },
  });
  const abort = new AbortController();
  const done = fileIdentity({ ...files, clock }).run(store.sinkOf('file'), abort.signal);
  let at = 0;
  return {
    store,
    statuses,
    refusals,
    done,
    async until(test) {
      for (;;) {
        for (; at < statuses.length; at += 1) if (test(statuses[at]!)) return statuses[at]!;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    async stop() {
      abort.abort();
      await done;
    },
  };
}

/** The write of a careful tool: a new file, renamed over the old one. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

describe('an identity from files', () => {
  it('comes into force, and is replaced when certificate and key are rotated', async () => {
    const files = await writeIdentityFiles(directory, 'web', web, ca);
    const running = run(files);
    await running.until((status) => status.state === 'connected');
    assert.equal(running.store.svid('default')?.spiffeId, 'spiffe://example.org/web');
    assert.equal(running.store.trustBundle('default')?.count, 1);
    const changed = Promise.withResolvers<void>();
    running.store.watch(() => changed.resolve());
    const next = await workloadCertificate(ca, 'web-2');
    await replace(files.privateKey, next.privateKey.reveal());
    await replace(files.certificate, next.certificateChain);
    await changed.promise;
    assert.equal(running.store.svid('default')?.spiffeId, 'spiffe://example.org/web-2');
    await running.stop();
  });

  it('waits for the key that belongs to a new certificate, and reports nothing as failed', async () => {
    const files = await writeIdentityFiles(directory, 'web', web, ca);
    const running = run(files, graceClock());
    await running.until((status) => status.state === 'connected');
    const next = await workloadCertificate(ca, 'web-2');
    await replace(files.certificate, next.certificateChain);
    const waiting = await running.until((status) => status.error !== undefined);
    assert.equal(waiting.state, 'connected');
    assert.match(
      waiting.error!,
      /waiting for the files to fit together: .*web\.pem and .*web\.key: the private key does not belong/,
    );
    assert.equal(running.store.svid('default')?.spiffeId, 'spiffe://example.org/web');
    await replace(files.privateKey, next.privateKey.reveal());
    await running.until((status) => status.error === undefined);
    assert.equal(running.store.svid('default')?.spiffeId, 'spiffe://example.org/web-2');
    assert.ok(running.statuses.every((status) => status.state !== 'failed'));
    await running.stop();
  });

  it('reports a pair that does not fit in the end, keeps the old one, and takes the pair once it fits', async () => {
    const files = await writeIdentityFiles(directory, 'web', web, ca);
    const clock = graceClock();
    const running = run(files, clock);
    await running.until((status) => status.state === 'connected');
    const next = await workloadCertificate(ca, 'web-2');
    await replace(files.certificate, next.certificateChain);
    await running.until((status) => status.error !== undefined);
    clock.endGrace();
    const failed = await running.until((status) => status.state === 'failed');
    assert.match(failed.error!, /does not belong to the certificate; .*\(the identity read before stays in force\)/);
    assert.equal(running.store.svid('default')?.spiffeId, 'spiffe://example.org/web');
    await replace(files.privateKey, next.privateKey.reveal());
    await running.until((status) => status.state === 'connected' && status.error === undefined);
    assert.equal(running.store.svid('default')?.spiffeId, 'spiffe://example.org/web-2');
    await running.stop();
  });

  for (const { name, harm } of [
    { name: 'empty', harm: (path: string) => writeFile(path, '') },
    { name: 'half-written', harm: (path: string) => writeFile(path, web.certificateChain.slice(0, 200)) },
    { name: 'deleted', harm: (path: string) => unlink(path) },
  ]) {
    it(`keeps the old certificate while its file is ${name}`, async () => {
      const files = await writeIdentityFiles(directory, 'web', web, ca);
      const running = run(files, graceClock());
      await running.until((status) => status.state === 'connected');
      await harm(files.certificate);
      const waiting = await running.until((status) => status.error !== undefined);
      assert.equal(waiting.state, 'connected');
      const { generation } = running.store.svid('default')!;
      await replace(files.certificate, web.certificateChain);
      await running.until((status) => status.error === undefined);
      assert.equal(running.store.svid('default')!.generation, generation, 'the same material is no rotation');
      await running.stop();
    });
  }

  it('takes a good certificate though the trust bundle is bad', async () => {
    const files = await writeIdentityFiles(directory, 'web', web, ca);
    const clock = graceClock();
    const running = run(files, clock);
    await running.until((status) => status.state === 'connected');
    await replace(files.trustBundle, 'nothing');
    await running.until((status) => status.error !== undefined);
    const next = await workloadCertificate(ca, 'web-2');
    await replace(files.privateKey, next.privateKey.reveal());
    await replace(files.certificate, next.certificateChain);
    clock.endGrace();
    await running.until(
      (status) => status.state === 'failed' && /trust bundle .*ca\.pem holds no PEM certificate/.test(status.error!),
    );
    if (running.store.svid('default')?.spiffeId !== 'spiffe://example.org/web-2') {
      await new Promise<void>((resolve) => running.store.watch(() => resolve()));
    }
    assert.equal(running.store.svid('default')?.spiffeId, 'spiffe://example.org/web-2');
    assert.equal(running.store.trustBundle('default')?.count, 1);
    await running.stop();
  });

  it('may have certificate and key in one file, of which the key is kept apart', async () => {
    const path = join(directory, 'web.pem');
    await writeFile(path, web.privateKey.reveal() + web.certificateChain, { mode: 0o600 });
    const running = run({ certificate: path, privateKey: path });
    await running.until((status) => status.state === 'connected');
    assert.doesNotMatch(running.store.svid('default')!.certificateChain, /PRIVATE/);
    await running.stop();
  });

  it('may be a trust bundle alone', async () => {
    const { trustBundle } = await writeIdentityFiles(directory, 'web', web, ca);
    const running = run({ trustBundle });
    await running.until((status) => status.state === 'connected');
    assert.equal(running.store.svid('default'), undefined);
    assert.equal(running.store.trustBundle('default')?.count, 1);
    await running.stop();
  });

  it('warns of a key that every user can read, and uses it', async () => {
    const files = await writeIdentityFiles(directory, 'web', web, ca);
    await chmod(files.privateKey, 0o644);
    const running = run(files);
    const status = await running.until((each) => each.state === 'connected');
    assert.match(status.error!, /warning: every user of this machine can read the private key .*web\.key \(mode 0644\)/);
    assert.notEqual(running.store.svid('default'), undefined);
    await running.stop();
  });

  const atStart: readonly {
    name: string;
    spoil: (files: Record<'certificate' | 'privateKey' | 'trustBundle', string>) => Promise<void>;
    message: RegExp;
  }[] = [
    {
      name: 'missing-certificate',
      spoil: (files) => unlink(files.certificate),
      message:
        /^identity: the certificate .*web\.pem cannot be read \(ENOENT\); check the path, or make one with .meshfetch certs/,
    },
    {
      name: 'directory-instead-of-a-key',
      spoil: async (files) => {
        await unlink(files.privateKey);
        await mkdtemp(join(directory, 'x-')).then((made) => rename(made, files.privateKey));
      },
      message: /the private key .*web\.key cannot be read \(EISDIR\)/,
    },
    {
      name: 'expired',
      spoil: async (files) => {
        const old = await workloadCertificate(ca, 'web', validity(-2 * hourMs, -hourMs));
        await writeIdentityFiles(directory, 'web', old, ca);
        assert.ok(files);
      },
      message: /the certificate .*web\.pem has expired \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ; issue a new one/,
    },
    {
      name: 'mismatched',
      spoil: async (files) => writeFile(files.privateKey, (await workloadCertificate(ca, 'web')).privateKey.reveal()),
      message: /web\.pem and .*web\.key: the private key does not belong to the certificate; deploy the two/,
    },
    {
      name: 'certificate-in-the-place-of-the-key',
      spoil: (files) => copyFile(files.certificate, files.privateKey),
      message: /the private key .*web\.key holds no PEM private key/,
    },
    {
      name: 'leaf-in-the-place-of-the-bundle',
      spoil: (files) => copyFile(files.certificate, files.trustBundle),
      message: /the trust bundle .*ca\.pem holds no certificate of a CA; name the file with the roots/,
    },
  ];
  for (const { name, spoil, message } of atStart) {
    it(`stops the start with the file, the reason and the remedy: ${name}`, async () => {
      const files = await writeIdentityFiles(directory, 'web', web, ca);
      await spoil(files);
      const clock = graceClock();
      const running = run(files, clock);
      void running.until((status) => status.state === 'connecting').then(() => clock.endGrace());
      await assert.rejects(running.done, (error) => {
        assert.ok(error instanceof MeshError);
        assert.equal(error.code, 'MESH_IDENTITY_INVALID');
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /PRIVATE KEY-----/);
        return true;
      });
    });
  }

  it('refuses through the sink what is bad when the grace is over, so that the refusal is counted and told', async () => {
    const files = await writeIdentityFiles(directory, 'web', web, ca);
    const clock = graceClock();
    const running = run(files, clock);
    await running.until((status) => status.state === 'connected');
    await replace(files.privateKey, (await workloadCertificate(ca, 'web')).privateKey.reveal());
    await replace(files.trustBundle, 'nothing');
    await running.until((status) => /ca\.pem/.test(status.error ?? ''));
    assert.deepEqual(running.refusals, [], 'a rotation may be under way');
    clock.endGrace();
    await running.until((status) => status.state === 'failed');
    assert.deepEqual(
      running.refusals.map(({ kind, name }) => ({ kind, name })),
      [
        { kind: 'svid', name: 'default' },
        { kind: 'trust-bundle', name: 'default' },
      ],
    );
    assert.match(running.store.statuses()[0]?.refused ?? '', /does not belong to the certificate/);
    await running.stop();
  });

  it('goes on watching after a bad start when it is asked to', async () => {
    const files = { certificate: join(directory, 'web.pem'), privateKey: join(directory, 'web.key') };
    const running = run({ ...files, badStart: 'watch' });
    const failed = await running.until((status) => status.state === 'failed');
    assert.match(failed.error ?? '', /web\.pem cannot be read \(ENOENT\)/);
    await writeIdentityFiles(directory, 'web', web, ca);
    await running.until((status) => status.state === 'connected' && status.error === undefined);
    assert.equal(running.store.svid('default')?.spiffeId, 'spiffe://example.org/web');
    await running.stop();
  });

  it('is not made of half a pair or of nothing', () => {
    assert.throws(() => fileIdentity({ certificate: 'a.pem', clock: systemClock }), /`certificate` and `privateKey` go together/);
    assert.throws(() => fileIdentity({ clock: systemClock }), TypeError);
  });
});
