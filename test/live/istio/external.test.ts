import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Mesh } from '../../../src/index.ts';
import type { CertificateAuthority } from '../../../src/security/certificate-authority.ts';
import { serverKeyPair, testAuthority, validity, workloadCertificate } from '../../support/certificates.ts';
import { startTlsServer, type TlsTestServer } from '../../support/tls-server.ts';
import { hostOf, policyOf, serviceOf } from './documents.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, troubleOf, until } from './mesh-in-pod.ts';
import { startMutualTlsServer, type MutualTlsServer } from './mutual-tls-server.ts';

const apiHost = 'api.example.com';

describe('TLS modes of a DestinationRule of a real istiod', { timeout: 60_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let root: string;
  let authority: CertificateAuthority;
  let api: TlsTestServer;
  let partner: TlsTestServer;
  let untrusted: TlsTestServer;
  let own: MutualTlsServer;
  const rootsBefore = getCACertificates('default');
  before(async () => {
    istiod = await startIstiod();
    authority = await testAuthority('public');
    const stranger = await testAuthority('stranger');
    const issued = await authority.issue({ dnsNames: [apiHost], commonName: apiHost }, validity());
    // As an authority of the system: certificates of the server are good, and nobody mounts a file.
    setDefaultCACertificates([...rootsBefore, authority.certificate]);
    api = await startTlsServer({ ...serverKeyPair(issued), ALPNProtocols: ['http/1.1'] });
    untrusted = await startTlsServer(serverKeyPair(await stranger.issue({ dnsNames: [apiHost] }, validity())));
    partner = await startTlsServer({
      ...serverKeyPair(await stranger.issue({ dnsNames: [apiHost], commonName: apiHost }, validity())),
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: true,
    });
    own = await startMutualTlsServer(istiod, 'own');
    const secured = (service: string, port: number, tls: object): readonly object[] => [
      serviceOf(service, [{ port }]),
      policyOf(service, { trafficPolicy: { tls } }),
    ];
    const files = {
      caCertificates: '/etc/partner/ca.pem',
      clientCertificate: '/etc/partner/c.pem',
      privateKey: '/etc/partner/k.pem',
    };
    await istiod.configure('services', [
      ...secured('simple', api.port, { mode: 'SIMPLE', sni: apiHost }),
      ...secured('simple-named', api.port, { mode: 'SIMPLE', sni: apiHost, subjectAltNames: [apiHost] }),
      ...secured('simple-other-name', api.port, { mode: 'SIMPLE', sni: 'other.example.com' }),
      ...secured('simple-other-san', api.port, { mode: 'SIMPLE', sni: apiHost, subjectAltNames: ['other.example.com'] }),
      ...secured('simple-untrusted', untrusted.port, { mode: 'SIMPLE', sni: apiHost }),
      ...secured('simple-unverified', untrusted.port, { mode: 'SIMPLE', sni: apiHost, insecureSkipVerify: true }),
      ...secured('simple-file', untrusted.port, { mode: 'SIMPLE', sni: apiHost, caCertificates: '/etc/partner/ca.pem' }),
      ...secured('simple-no-file', api.port, { mode: 'SIMPLE', sni: apiHost, caCertificates: '/etc/partner/later.pem' }),
      ...secured('mutual', partner.port, { mode: 'MUTUAL', sni: apiHost, ...files }),
      serviceOf('istio-mutual', [{ port: own.port, serviceAccount: 'own' }]),
      policyOf('istio-mutual', {
        trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL', subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/own'] } },
      }),
      serviceOf('disabled', [{ port: own.port, isInMesh: true, serviceAccount: 'own' }]),
      policyOf('disabled', { trafficPolicy: { tls: { mode: 'DISABLE' } } }),
    ] as Parameters<Istiod['configure']>[1]);
    await isTold(istiod, 'istio-mutual');
    ({ mesh, root } = await meshIn(istiod));
    const issuedToUs = await workloadCertificate(authority, 'web');
    await mkdir(join(root, 'etc/partner'), { recursive: true });
    await writeFile(join(root, 'etc/partner/ca.pem'), stranger.certificate);
    await writeFile(join(root, 'etc/partner/c.pem'), issuedToUs.certificateChain);
    await writeFile(join(root, 'etc/partner/k.pem'), issuedToUs.privateKey.reveal(), { mode: 0o600 });
  });
  after(async () => {
    await mesh?.close();
    setDefaultCACertificates(rootsBefore);
    await istiod[Symbol.asyncDispose]();
    await own?.stop();
    for (const server of [api, partner, untrusted]) await server?.[Symbol.asyncDispose]();
  });
  const ask = async (service: string): Promise<string> => (await mesh.fetch(`http://${hostOf(service)}/`)).text();
  const codeOf = async (service: string): Promise<string> =>
    ask(service).then(
      (answer) => `answered ${answer}`,
      (error: Error) => (error.cause as { code: string }).code,
    );

  it('trusts the authorities of the system where none is named (SIMPLE)', async () => {
    assert.equal(await ask('simple'), 'ok');
    assert.equal(api.seen.at(-1)?.serverName, apiHost);
    // The program's list, not one of the mesh.
    assert.notEqual(String(api.seen.at(-1)?.protocol).startsWith('istio'), true);
    assert.equal(await ask('simple-named'), 'ok');
  });

  for (const service of ['simple-other-name', 'simple-other-san', 'simple-untrusted', 'simple-unverified']) {
    it(`sends nothing to who is not the one that was asked for (${service})`, async () => {
      assert.match(await codeOf(service), /^MESH_(PEER_IDENTITY|TLS_FAILED)$/);
    });
  }

  it('trusts the authorities of a file of the pod (SIMPLE with caCertificates)', async () => {
    assert.equal(await ask('simple-file'), 'ok');
  });

  it('says which file is missing, and uses it once it is there', async () => {
    assert.equal(await codeOf('simple-no-file'), 'MESH_NO_IDENTITY');
    assert.match(await until(() => troubleOf(mesh)), /later\.pem cannot be read \(ENOENT\)/);
    await writeFile(join(root, 'etc/partner/later.pem'), authority.certificate);
    await until(async () => ((await codeOf('simple-no-file')) === 'answered ok' ? true : undefined));
    assert.equal(troubleOf(mesh), undefined);
  });

  it('shows a certificate of files of the pod to a host outside of the mesh (MUTUAL)', async () => {
    assert.equal(await ask('mutual'), 'ok');
    assert.equal(partner.seen.at(-1)?.client, 'spiffe://example.org/web');
  });

  it('shows the certificate of the mesh to an endpoint without a label (ISTIO_MUTUAL)', async () => {
    assert.equal(await ask('istio-mutual'), 'URI:spiffe://cluster.local/ns/shop/sa/web');
  });

  it('speaks plaintext to an endpoint of the mesh where it is told to (DISABLE)', async () => {
    assert.match(await codeOf('disabled'), /^MESH_(RESET|CONNECT_FAILED)$/);
  });

  it('keeps nothing secret of a file in what it shows', () => {
    assert.doesNotMatch(JSON.stringify(mesh.status()), /PRIVATE KEY/);
  });
});
