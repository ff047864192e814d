import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createMesh, type Mesh } from '../../src/index.ts';
import { spiffeControlPlane } from '../../src/control-plane/spiffe/index.ts';
import { createCertificateAuthority, type CertificateAuthority } from '../../src/security/certificate-authority.ts';
import { subscribe } from '../../src/telemetry/channels.ts';
import { validity } from '../support/certificates.ts';
import { startHttps, temporaryFolder } from '../support/secured.ts';
import { x509SvidResponse } from '../support/spiffe-messages.ts';
import { startWorkloadApi } from '../support/workload-api.ts';

const web = 'spiffe://own.test/web';
const theirs = 'spiffe://other.test/orders';

describe('a mesh with an identity of the Workload API', () => {
  let own: CertificateAuthority;
  let other: CertificateAuthority;
  before(async () => {
    own = await createCertificateAuthority({ commonName: 'own' }, validity());
    other = await createCertificateAuthority({ commonName: 'other' }, validity());
  });

  async function message(federated: readonly CertificateAuthority[]): Promise<Uint8Array> {
    const issued = await own.issue({ uris: [web] }, validity());
    const bundles = federated.map((authority) => ['spiffe://other.test', authority.certificate]);
    return x509SvidResponse([{ spiffeId: web, issued, bundle: own.certificate }], Object.fromEntries(bundles));
  }

  async function meshOn(endpoint: string, address: string): Promise<Mesh> {
    const tls = { mode: 'mutual' as const, identity: 'spiffe', peers: [theirs] };
    return createMesh({
      controlPlane: [{ services: { orders: { endpoints: [address], tls } } }, spiffeControlPlane({ endpoint })],
    });
  }

  async function reasonOf(request: Promise<unknown>): Promise<string> {
    const error = await request.then(
      () => assert.fail('it was answered'),
      (failure: Error) => failure,
    );
    return (error.cause as Error).message;
  }

  it('has its first request wait for the identity that is on its way', async () => {
    await using api = await startWorkloadApi(await temporaryFolder());
    const server = await startHttps(
      await other.issue({ uris: [theirs] }, validity()),
      (_request, response) => response.end(),
      own,
    );
    await using mesh = await meshOn(api.endpoint, server.address);
    const request = mesh.fetch('http://orders/');
    api.say(await message([other]));
    assert.equal((await request).status, 200);
  });

  it('gives the reason of the Workload API where there is no identity, at once', async () => {
    await using api = await startWorkloadApi(await temporaryFolder());
    api.refuse('PERMISSION_DENIED', 'no identity issued');
    await using mesh = await meshOn(api.endpoint, '127.0.0.1:1');
    const reason = await reasonOf(mesh.fetch('http://orders/'));
    assert.match(reason, /no certificate "spiffe" is in force: spiffe is disconnected: .*PERMISSION_DENIED: no identity issued/);
    const status = mesh.status().controlPlanes.find(({ source }) => source === 'spiffe');
    assert.equal(status?.state, 'disconnected');
  });

  it('gives idle connections to a trust domain up when that is federated no more, and makes no others', async () => {
    await using api = await startWorkloadApi(await temporaryFolder());
    const server = await startHttps(
      await other.issue({ uris: [theirs] }, validity()),
      (_request, response) => response.end(),
      own,
    );
    api.say(await message([other]));
    await using mesh = await meshOn(api.endpoint, server.address);
    await mesh.ready();
    await (await mesh.fetch('http://orders/')).text();
    const closed = new Promise<void>((resolve) => {
      const stop = subscribe('connection:closed', () => {
        stop();
        resolve();
      });
    });
    assert.deepEqual(
      mesh
        .status()
        .identities.find(({ name }) => name === 'spiffe')
        ?.trustBundle?.federated?.map(({ trustDomain }) => trustDomain),
      ['other.test'],
    );
    api.say(await message([]));
    await closed;
    assert.match(await reasonOf(mesh.fetch('http://orders/')), /issued by a CA that is not in the trust bundle/);
    assert.equal(server.requests(), 1);
  });

  it('finds hosts of its other control planes and of DNS without waiting for the identity', async () => {
    await using api = await startWorkloadApi(await temporaryFolder());
    await using mesh = await createMesh({
      controlPlane: spiffeControlPlane({ endpoint: api.endpoint }),
      configTimeoutMs: 60_000,
    });
    const server = await startHttps(await other.issue({ uris: [theirs] }, validity()), (_request, response) => response.end());
    assert.match(await reasonOf(mesh.fetch(`https://${server.address}/`)), /not in the trust bundle/);
  });
});
