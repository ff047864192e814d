import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { inspect } from 'node:util';

import { PrivateKey, type Svid } from '../../../src/model/identity.ts';
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type IssuedCertificate,
} from '../../../src/security/certificate-authority.ts';
import { checkSvid } from '../../../src/security/identity-material.ts';
import { createIdentityStore, type IdentityEvent, type IdentityStore } from '../../../src/security/identity-store.ts';
import { tlsContextOf } from '../../../src/security/tls-context.ts';
import { createVirtualClock, type VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { hourMs, svidOf, testAuthority, validity, workloadCertificate } from '../../support/certificates.ts';

let clock: VirtualClock;
let ca: CertificateAuthority;
let web: IssuedCertificate;
before(async () => {
  clock = createVirtualClock();
  ca = await testAuthority('test CA', at());
  web = await workloadCertificate(ca, 'web', at());
});

/** Around the wall clock of the virtual clock. */
function at(fromMs?: number, untilMs?: number): ReturnType<typeof validity> {
  return validity(fromMs, untilMs, clock.wallNow());
}

function newStore(): { store: IdentityStore; events: IdentityEvent[] } {
  const events: IdentityEvent[] = [];
  return { store: createIdentityStore({ clock, onEvent: (event) => events.push(event) }), events };
}

const refusedSvids: readonly { name: string; svid: () => Promise<Svid> | Svid; reason: RegExp }[] = [
  {
    name: 'key-of-another-certificate',
    svid: async () => svidOf({ ...web, privateKey: (await workloadCertificate(ca, 'web', at())).privateKey }),
    reason: /the private key does not belong to the certificate; deploy the two that were issued together/,
  },
  {
    name: 'expired',
    svid: async () => svidOf(await workloadCertificate(ca, 'web', at(-2 * hourMs, -hourMs))),
    reason: /has expired 2025-12-31T23:00:00Z; issue a new one/, // the virtual clock starts at 2026-01-01T00:00:00Z
  },
  {
    name: 'not-yet-valid',
    svid: async () => svidOf(await workloadCertificate(ca, 'web', at(hourMs))),
    reason: /is not valid before 2026-01-01T01:00:00Z; set the clock/,
  },
  { name: 'not-pem', svid: () => svidOf({ ...web, certificateChain: 'hello' }), reason: /holds no PEM certificate/ },
  { name: 'empty', svid: () => svidOf({ ...web, certificateChain: '' }), reason: /holds no PEM certificate/ },
  {
    name: 'cut-off',
    svid: () => svidOf({ ...web, certificateChain: web.certificateChain.slice(0, 300) }),
    reason: /cut off or damaged/,
  },
  {
    name: 'damaged',
    svid: () => svidOf({ ...web, certificateChain: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
    reason: /cannot be parsed; deploy it again/,
  },
  { name: 'no-key', svid: () => svidOf({ ...web, privateKey: new PrivateKey('') }), reason: /holds no PEM private key/ },
  {
    name: 'damaged-key',
    svid: () => svidOf({ ...web, privateKey: new PrivateKey('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n') }),
    reason: /cannot be parsed: it is damaged or of an unknown type/,
  },
  {
    name: 'encrypted-key',
    svid: () => {
      const { privateKey } = generateKeyPairSync('ec', {
        namedCurve: 'P-256',
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
      });
      return svidOf({ ...web, privateKey: new PrivateKey(privateKey) });
    },
    reason: /is encrypted; decrypt it with `openssl pkey/,
  },
  {
    name: 'root-first',
    svid: () => svidOf({ ...web, certificateChain: ca.certificate + web.certificateChain }),
    reason: /put the leaf first/,
  },
  {
    name: 'leaf-after-the-leaf',
    svid: async () =>
      svidOf({ ...web, certificateChain: web.certificateChain + (await workloadCertificate(ca, 'web', at())).certificateChain }),
    reason: /may not issue others/,
  },
  {
    name: 'names-nobody',
    svid: async () => svidOf(await ca.issue({ commonName: 'web' }, at())),
    reason: /names nobody/,
  },
  {
    name: 'two-spiffe-ids',
    svid: async () => svidOf(await ca.issue({ uris: ['spiffe://example.org/a', 'spiffe://example.org/b'] }, at())),
    reason: /is not an X\.509-SVID: it has 2 URI names/,
  },
  {
    name: 'malformed-spiffe-id',
    svid: async () => svidOf(await ca.issue({ uris: ['spiffe://example.org/a/'] }, at())),
    reason: /is not an X\.509-SVID: its URI name is not a SPIFFE ID/,
  },
  {
    name: 'signing-leaf',
    svid: async () => svidOf(await workloadCertificate(ca, 'web', at(), { keyUsages: ['digitalSignature', 'keyCertSign'] })),
    reason: /is not an X\.509-SVID: its key usage allows signing/,
  },
];

describe('the identity store', () => {
  it('keeps what it is given and numbers each change', () => {
    const { store, events } = newStore();
    assert.equal(store.svid('default'), undefined);
    assert.deepEqual(store.setSvid(svidOf(web)), { ok: true });
    assert.deepEqual(store.setTrustBundle({ name: 'default', certificates: ca.certificate }), { ok: true });
    assert.equal(store.svid('default')?.spiffeId, 'spiffe://example.org/web');
    assert.equal(store.svid('default')?.generation, 1);
    assert.equal(store.trustBundle('default')?.generation, 2);
    assert.deepEqual(
      events.map((event) => event.type),
      ['identity-changed', 'identity-changed'],
    );
  });

  it('tells watchers of a change, and of nothing when the same is set again', async () => {
    const { store } = newStore();
    const seen: unknown[] = [];
    const stop = store.watch((change) => seen.push(change));
    store.setSvid(svidOf(web));
    store.setSvid(svidOf(web));
    store.remove('default');
    stop();
    store.setSvid(svidOf(await workloadCertificate(ca, 'web', at())));
    assert.deepEqual(seen, [
      { name: 'default', kind: 'svid', change: 'set', generation: 1 },
      { name: 'default', kind: 'svid', change: 'removed', generation: 2 },
    ]);
    assert.equal(store.svid('default')?.generation, 3);
  });

  for (const { name, svid, reason } of refusedSvids) {
    it(`refuses a certificate and keeps the old one: ${name}`, async () => {
      const { store, events } = newStore();
      store.setSvid(svidOf(web));
      const verdict = store.setSvid(await svid());
      assert.equal(verdict.ok, false);
      assert.match(verdict.ok ? '' : verdict.reason, reason);
      assert.equal(store.svid('default')?.generation, 1);
      assert.match(store.statuses()[0]?.refused ?? '', reason);
      assert.equal(events.at(-1)?.type, 'identity-refused');
      store.setSvid(svidOf(web));
      assert.equal(store.statuses()[0]?.refused, undefined);
    });
  }

  it('refuses a trust bundle and keeps the old one', async () => {
    const expired = await createCertificateAuthority({ commonName: 'old CA' }, at(-2 * hourMs, -hourMs));
    for (const [certificates, reason] of [
      ['', /holds no PEM certificate/],
      ['-----BEGIN CERTIFICATE-----\nAAAA', /cut off/],
      [web.certificateChain, /holds no certificate of a CA/],
      [expired.certificate, /only expired certificates, the last since 2025-12-31T23:00:00Z/],
    ] as const) {
      const { store } = newStore();
      store.setTrustBundle({ name: 'default', certificates: ca.certificate });
      const verdict = store.setTrustBundle({ name: 'default', certificates });
      assert.match(verdict.ok ? '' : verdict.reason, reason);
      assert.equal(store.trustBundle('default')?.generation, 1);
    }
  });

  it('leaves expired roots out of a bundle that has good ones', async () => {
    const expired = await createCertificateAuthority({ commonName: 'old CA' }, at(-2 * hourMs, -hourMs));
    const { store } = newStore();
    assert.ok(store.setTrustBundle({ name: 'default', certificates: expired.certificate + ca.certificate }).ok);
    assert.equal(store.trustBundle('default')?.count, 1);
  });

  it('lets a name belong to the source that set it', () => {
    const { store } = newStore();
    assert.ok(store.sinkOf('file').setSvid(svidOf(web)).ok);
    const verdict = store.sinkOf('consul').setSvid(svidOf(web));
    assert.deepEqual(verdict, { ok: false, reason: 'the name "default" belongs to the source file; use another name' });
    store.sinkOf('consul').remove('default');
    assert.notEqual(store.svid('default'), undefined);
    store.sinkOf('file').remove('default');
    assert.equal(store.svid('default'), undefined);
  });

  it('reports names, times and the days that are left', async () => {
    const { store } = newStore();
    const own = createVirtualClock();
    const aged = createIdentityStore({ clock: own });
    aged.setSvid(svidOf(web));
    aged.setTrustBundle({ name: 'default', certificates: ca.certificate, trustDomain: 'example.org' });
    aged.status({ state: 'connected' });
    assert.deepEqual(aged.statuses(), [
      {
        name: 'default',
        source: 'mesh',
        svid: {
          spiffeId: 'spiffe://example.org/web',
          dnsNames: ['web', 'localhost'],
          generation: 1,
          state: 'valid',
          notBeforeMs: at().fromMs,
          notAfterMs: at().untilMs,
          daysLeft: 1, // valid for 24 h
        },
        trustBundle: {
          trustDomain: 'example.org',
          certificates: 1,
          generation: 2,
          state: 'valid',
          notAfterMs: at().untilMs,
          daysLeft: 1,
        },
        sourceStatus: { state: 'connected' },
      },
    ]);
    await own.advance(23 * hourMs);
    assert.equal(aged.statuses()[0]?.svid?.daysLeft, 0.04, 'the last hour is no 0');
    await own.advance(2 * hourMs);
    const [status] = aged.statuses();
    assert.equal(status?.svid?.state, 'expired');
    assert.equal(status.svid.daysLeft, -0.05); // an hour ago, rounded down
    assert.equal(store.statuses().length, 0);
  });

  it('shows no key to whoever prints it, its status, its events or what it hands out', async () => {
    const { store, events } = newStore();
    const combined = `${web.privateKey.reveal()}${web.certificateChain}`;
    store.setSvid(svidOf({ ...web, certificateChain: combined }));
    store.setTrustBundle({ name: 'default', certificates: `${web.privateKey.reveal()}${ca.certificate}` });
    store.setSvid({ ...svidOf(web), privateKey: (await workloadCertificate(ca, 'web', at())).privateKey });
    const tls = { mode: 'mutual', identity: 'default', trust: 'default', peers: [] } as const;
    const context = tlsContextOf(store, tls);
    assert.equal(typeof context, 'object');
    const secret = web.privateKey.reveal().split('\n')[1]!;
    for (const [what, value] of Object.entries({
      store,
      svid: store.svid('default'),
      bundle: store.trustBundle('default'),
      statuses: store.statuses(),
      events,
      context,
    })) {
      const printed = [inspect(value, { depth: 20, showHidden: true, getters: true }), JSON.stringify(value) ?? ''].join('\n');
      assert.equal(printed.includes(secret), false, what);
      assert.equal(printed.includes('PRIVATE KEY'), false, what);
    }
  });
});

describe('SVIDs of go-spiffe', { skip: vectorsMissing() }, () => {
  for (const [file, outcome] of [
    ['good-leaf-only.pem', /^spiffe:\/\/example\.org\/workload-1$/],
    ['good-leaf-and-intermediate.pem', /^spiffe:\/\/example\.org\/workload-1$/],
    ['wrong-leaf-empty-id.pem', /^no SPIFFE ID$/], // a DNS name: good for us, and no SVID
    ['wrong-leaf-no-digital-signature.pem', /lacks digitalSignature/],
    ['wrong-leaf-ca-true.pem', /of a CA/],
    ['wrong-leaf-cert-sign.pem', /allows signing/],
    ['wrong-leaf-crl-sign.pem', /allows signing/],
    ['wrong-intermediate-no-ca.pem', /may not issue others/],
    ['wrong-intermediate-no-key-cert-sign.pem', /may not issue others/],
    ['corrupt-cert.pem', /damaged|cannot be parsed/],
    ['not-pem', /holds no PEM certificate/],
  ] as const) {
    it(`${file}: ${outcome.source}`, () => {
      const folder = join(process.env['MESHFETCH_VECTORS']!, 'spiffe');
      const read = (name: string): string => readFileSync(join(folder, `svid_x509svid_testdata_${name}`), 'utf8');
      const certificateChain = read(file);
      const nowMs = certificateTime(certificateChain);
      const verdicts = ['key-pkcs8-rsa.pem', 'key-pkcs8-ecdsa.pem'].map((key) =>
        checkSvid({ name: 'x', certificateChain, privateKey: new PrivateKey(read(key)) }, nowMs),
      );
      const told = verdicts.map((verdict) => (verdict.ok ? (verdict.value.spiffeId ?? 'no SPIFFE ID') : verdict.reason));
      assert.ok(
        told.some((text) => outcome.test(text)),
        told.join('; '),
      );
    });
  }

  /** The certificates expired long ago. */
  function certificateTime(pem: string): number {
    try {
      return new X509Certificate(pem).validFromDate.getTime() + 1000;
    } catch {
      return clock.wallNow();
    }
  }
});

function vectorsMissing(): string | false {
  const folder = process.env['MESHFETCH_VECTORS'];
  return folder !== undefined && existsSync(join(folder, 'spiffe'))
    ? false
    : 'MESHFETCH_VECTORS does not name a folder with spiffe/';
}
