import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../../../src/base/runtime.ts';
import { FileSecrets, filesOfSecret, isFileSecret, withSystemRoots } from '../../../../src/control-plane/istio/file-secrets.ts';
import type { ClusterConfig } from '../../../../src/model/cluster.ts';
import type { IdentitySink } from '../../../../src/model/contracts.ts';
import type { UpstreamTls } from '../../../../src/model/tls.ts';
import { createCertificateAuthority } from '../../../../src/security/certificate-authority.ts';

const cluster: ClusterConfig = {
  name: 'outbound|443||api.example.com',
  discovery: { kind: 'static', localities: [] },
  loadBalancing: { policy: 'least-request' },
};
const tls: UpstreamTls = {
  mode: 'simple',
  trust: 'file-root:system',
  sni: 'api.example.com',
  peers: [
    { kind: 'uri', match: 'prefix', value: 'spiffe://' },
    { kind: 'dns', match: 'exact', value: 'api.example.com' },
  ],
};

describe('secrets that istiod names by files', () => {
  const rows = [
    { name: 'file-root:/etc/ca.pem', files: { trustBundle: '/etc/ca.pem' }, isFile: true },
    { name: 'file-cert:/c.pem~/k.pem', files: { certificate: '/c.pem', privateKey: '/k.pem' }, isFile: true },
    { name: 'file-root:system', files: undefined, isFile: true },
    { name: 'file-root:', files: undefined, isFile: false },
    { name: 'file-cert:/c.pem', files: undefined, isFile: false },
    { name: 'kubernetes://gateway-certificate', files: undefined, isFile: false },
  ];
  for (const { name, files, isFile } of rows) {
    it(`are known by their names (${name})`, () => {
      assert.deepEqual(filesOfSecret(name), files);
      assert.equal(isFileSecret(name), isFile);
    });
  }

  it('are the roots of this process where they are those of the system, and a certificate then has to name the server', () => {
    const { trust: _, ...others } = tls;
    assert.deepEqual(withSystemRoots({ ...cluster, tls }).tls, {
      ...others,
      peers: [{ kind: 'dns', match: 'exact', value: 'api.example.com' }],
    });
    const own = { ...cluster, tls: { ...tls, trust: 'file-root:/etc/ca.pem' } };
    assert.deepEqual(withSystemRoots(own), own);
    assert.equal(withSystemRoots(cluster), cluster);
  });
});

describe('FileSecrets', () => {
  let root: string;
  let pem: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'meshfetch-file-secrets-'));
    const nowMs = systemClock.wallNow();
    const authority = await createCertificateAuthority(
      { commonName: 'outside' },
      { fromMs: nowMs - 60_000, untilMs: nowMs + 3_600_000 },
    );
    pem = authority.certificate;
    await writeFile(join(root, 'ca.pem'), pem);
  });
  after(() => rm(root, { recursive: true }));

  it('hands over what is in use at once, and takes it back when it is used no more', () => {
    const told: string[] = [];
    const sink: IdentitySink = {
      setSvid: ({ name }) => (told.push(`certificate ${name}`), { ok: true }),
      setTrustBundle: ({ name, certificates }) => (told.push(`roots ${name} ${certificates === pem}`), { ok: true }),
      remove: (name) => void told.push(`without ${name}`),
      status: () => {},
    };
    const over = new AbortController();
    const secrets = new FileSecrets(root, systemClock, () => {});
    secrets.run(sink, over.signal);
    secrets.use(new Set(['default', 'file-root:/ca.pem']));
    secrets.use(new Set(['default', 'file-root:/ca.pem']));
    assert.deepEqual(told, ['roots file-root:/ca.pem true']);
    secrets.use(new Set(['default']));
    assert.deepEqual(told, ['roots file-root:/ca.pem true', 'without file-root:/ca.pem']);
    over.abort();
  });

  it('says what cannot be read, and waits for it', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    const { promise: delivered, resolve: deliver } = Promise.withResolvers<string>();
    const sink: IdentitySink = {
      setSvid: () => ({ ok: true }),
      setTrustBundle: ({ name }) => (deliver(name), { ok: true }),
      remove: () => {},
      status: () => {},
    };
    const over = new AbortController();
    const secrets = new FileSecrets(root, systemClock, resolve);
    secrets.use(new Set(['file-root:/later.pem']));
    secrets.run(sink, over.signal);
    assert.match((await promise).join(), /later\.pem cannot be read \(ENOENT\)/);
    await writeFile(join(root, 'later.pem'), pem);
    assert.equal(await delivered, 'file-root:/later.pem');
    over.abort();
  });
});
