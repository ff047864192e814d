import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { systemClock, systemRandom } from '../../../../src/base/runtime.ts';
import { fileControlPlane } from '../../../../src/control-plane/file/index.ts';
import type { ControlPlaneStatus, IdentitySink } from '../../../../src/model/contracts.ts';
import type { CertificateAuthority } from '../../../../src/security/certificate-authority.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';
import { testAuthority, workloadCertificate } from '../../../support/certificates.ts';

const mutual = 'services: { orders: { endpoints: [192.0.2.1:80], tls: { mode: mutual } } }\n';

describe('the identity of a configuration file', { timeout: 30_000 }, () => {
  let authority: CertificateAuthority;
  let directory: string;
  let stop: AbortController;
  let sink: RecordingSink;
  let running: Promise<unknown>[];
  /** What was delivered, in order: `svid`, `bundle`, `remove`, `config`. */
  let log: string[];
  let statuses: ControlPlaneStatus[];
  /** The workloads whose certificates were delivered. */
  let names: string[];
  const path = (name: string): string => join(directory, name);

  before(async () => {
    authority = await testAuthority();
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'meshfetch-'));
    stop = new AbortController();
    log = [];
    statuses = [];
    names = [];
    sink = new RecordingSink();
    running = [];
    const inner = new RecordingSink();
    sink.apply = (update) => {
      sink.updates.push(update);
      note('config');
      return inner.apply(update);
    };
    await mkdir(path('certs'));
    await writeFile(path('certs/ca.pem'), authority.certificate);
    for (const name of ['web', 'web2']) await issue(name);
  });
  afterEach(async () => {
    stop.abort();
    await Promise.allSettled(running);
    await rm(directory, { recursive: true });
  });

  async function issue(name: string, workload = name): Promise<void> {
    const issued = await workloadCertificate(authority, workload);
    await writeFile(path(`certs/${name}.pem`), issued.certificateChain);
    await writeFile(path(`certs/${name}.key`), issued.privateKey.reveal(), { mode: 0o600 });
  }

  const config = (name: string): string =>
    `${mutual}identity: { certificate: certs/${name}.pem, privateKey: certs/${name}.key, trustBundle: certs/ca.pem }\n`;

  /** Remembers what came, and lets those who wait on the sink look again. */
  function note(what: string): void {
    if (what !== 'status') log.push(what);
    sink.absent({ kind: 'cluster', name: '' }, '');
  }

  const identities: IdentitySink = {
    setSvid({ name, privateKey, certificateChain }) {
      names.push(new X509Certificate(certificateChain).subjectAltName?.match(/example\.org\/([\w-]+)/)?.[1] ?? '');
      assert.equal(name, 'default');
      assert.match(privateKey.reveal(), /PRIVATE KEY/);
      note('svid');
      return { ok: true };
    },
    setTrustBundle({ name }) {
      assert.equal(name, 'default');
      note('bundle');
      return { ok: true };
    },
    remove: (name) => note(`remove ${name}`),
    status(status) {
      statuses.push(status);
      note('status');
    },
  };

  function start(): readonly Promise<void>[] {
    const plane = fileControlPlane({ path: path('mesh.yaml') });
    const started = [
      plane.run({ sink, clock: systemClock, random: systemRandom, signal: stop.signal }),
      plane.identity!.run(identities, stop.signal),
    ];
    running = started.map((run) => run.catch(() => {}));
    return started;
  }

  it('is read from paths relative to the file, before the clusters that ask for it are applied', async () => {
    await writeFile(path('mesh.yaml'), config('web'));
    void start();
    await sink.until(({ updates }) => updates.length === 1);
    assert.deepEqual(log, ['svid', 'bundle', 'config']);
  });

  it('rejects at the start when it cannot be used', async () => {
    await writeFile(path('mesh.yaml'), config('nobody'));
    const [, identity] = start();
    await assert.rejects(identity!, { code: 'MESH_IDENTITY_INVALID', message: /nobody\.pem cannot be read \(ENOENT\)/ });
  });

  it('is another one when the file names other paths, again before the clusters', async () => {
    await writeFile(path('mesh.yaml'), config('web'));
    void start();
    await sink.until(({ updates }) => updates.length === 1);
    log.length = 0;
    await writeFile(path('mesh.yaml'), config('web2'));
    await sink.until(({ updates }) => updates.length === 2);
    assert.deepEqual(log, ['svid', 'bundle', 'config']);
  });

  it('stays in force when the file names paths that cannot be used, and says so', async () => {
    await writeFile(path('mesh.yaml'), config('web'));
    void start();
    await sink.until(({ updates }) => updates.length === 1);
    log.length = 0;
    await writeFile(path('mesh.yaml'), config('nobody'));
    await sink.until(() => statuses.some(({ state }) => state === 'failed'));
    assert.match(statuses.at(-1)?.error ?? '', /nobody\.pem cannot be read .*; the identity before stays in force$/);
    assert.ok(!log.includes('remove default'));
    await writeFile(path('mesh.yaml'), config('web2'));
    await sink.until(() => log.includes('svid'));
  });

  it('comes when its files are written after the configuration that names them', async () => {
    await writeFile(path('mesh.yaml'), 'services: {}\n');
    void start();
    await sink.until(({ updates }) => updates.length === 1);
    await writeFile(path('mesh.yaml'), config('late'));
    await sink.until(() => statuses.some(({ state }) => state === 'failed'));
    await issue('late');
    await sink.until(() => log.includes('svid'));
    await sink.until(() => statuses.at(-1)?.state === 'connected');
  });

  it('is followed while the files that replace it are not there yet, and then they are', async () => {
    await writeFile(path('mesh.yaml'), config('web'));
    void start();
    await sink.until(({ updates }) => updates.length === 1);
    await writeFile(path('mesh.yaml'), config('late'));
    await sink.until(() => statuses.some(({ state }) => state === 'failed'));
    names.length = 0;
    await issue('web', 'web-rotated');
    await sink.until(() => names.includes('web-rotated'));
    await issue('late');
    await sink.until(() => names.includes('late'));
    await sink.until(() => statuses.at(-1)?.state === 'connected' && statuses.at(-1)?.error === undefined);
  });

  it('is removed when the file names none any more', async () => {
    await writeFile(path('mesh.yaml'), config('web'));
    void start();
    await sink.until(({ updates }) => updates.length === 1);
    await writeFile(path('mesh.yaml'), 'services: {}\n');
    await sink.until(() => log.includes('remove default'));
    assert.deepEqual(log.slice(-2), ['config', 'remove default'], 'no request may meet a cluster whose identity is gone');
  });

  it('comes when the file names one later', async () => {
    await writeFile(path('mesh.yaml'), 'services: {}\n');
    void start();
    await sink.until(({ updates }) => updates.length === 1);
    await writeFile(path('mesh.yaml'), config('web'));
    await sink.until(({ updates }) => updates.length === 2);
    assert.deepEqual(log, ['config', 'svid', 'bundle', 'config']);
  });

  it('ends with the signal, with an identity and without', async () => {
    for (const text of [config('web'), 'services: {}\n']) {
      await writeFile(path('mesh.yaml'), text);
      const before = sink.updates.length;
      const runs = start();
      await sink.until(({ updates }) => updates.length > before);
      stop.abort();
      await Promise.all(runs);
      stop = new AbortController();
    }
  });
});
