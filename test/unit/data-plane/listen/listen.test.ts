import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { before, describe, it } from 'node:test';
import type { MeshRequest } from '../../../../src/model/inbound.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../../src/security/certificate-authority.ts';
import { testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import {
  askHttp1,
  askHttp2,
  clientOptions,
  http2Session,
  listening,
  meshListener,
  mutualChain,
} from '../../../support/listening.ts';

let authority: CertificateAuthority;
let ours: IssuedCertificate;
let theirs: IssuedCertificate;
before(async () => {
  authority = await testAuthority();
  ours = await workloadCertificate(authority, 'server');
  theirs = await workloadCertificate(authority, 'client');
});

function seen(request: IncomingMessage): MeshRequest {
  return (request as IncomingMessage & { mesh: MeshRequest }).mesh;
}

describe('listen', () => {
  it('serves plaintext and mutual TLS, HTTP/1.1 and HTTP/2, on one port', async (t) => {
    const peers: string[] = [];
    const { port } = await listening(t, {
      authority,
      issued: ours,
      handler: (request, response) => {
        const { peer, isTls } = seen(request);
        peers.push(`${isTls ? 'tls' : 'plaintext'} ${peer.spiffeId ?? '-'}`);
        response.end('ok');
      },
    });
    const tls = clientOptions(authority, theirs);
    assert.equal((await askHttp1(port)).body, 'ok');
    assert.equal((await askHttp1(port, { tls })).body, 'ok');
    for (const way of [undefined, tls]) {
      const session = await http2Session(port, way);
      assert.equal((await askHttp2(session)).body, 'ok');
      session.destroy();
    }
    const tlsPeer = 'tls spiffe://example.org/client';
    assert.deepEqual(peers, ['plaintext -', tlsPeer, 'plaintext -', tlsPeer]);
  });

  it('lets nobody in without a certificate under strict, but for the paths that are named', async (t) => {
    const { port, refusal } = await listening(t, {
      authority,
      issued: ours,
      options: { mode: 'strict', plaintextPaths: ['/metrics'], readyPath: '/ready' },
    });
    assert.equal((await askHttp1(port, { tls: clientOptions(authority, theirs) })).status, 200);
    const refused = await askHttp1(port);
    assert.deepEqual([refused.status, refused.body], [403, 'this port takes mutual TLS only']);
    assert.equal(refused.headers.connection, 'close');
    assert.equal((await askHttp1(port, { path: '/metrics' })).status, 200);
    assert.deepEqual((await askHttp1(port, { path: '/ready' })).body, 'ready');
    assert.equal((await askHttp1(port, { path: '/metrics', method: 'POST' })).status, 403);
    assert.equal((await askHttp1(port, { path: '/metrics/..' })).status, 403);
    await assert.rejects(askHttp1(port, { tls: clientOptions(authority) }));
    assert.equal((await refusal()).reason, 'certificate_missing');
  });

  it('takes the chain that the client offers the protocols of', async (t) => {
    const istio = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
    const { port, refusal } = await listening(t, {
      authority,
      issued: ours,
      listeners: [meshListener({ mode: 'strict', filterChains: [mutualChain({ match: { transport: 'tls', alpn: istio } })] })],
    });
    const tls = clientOptions(authority, theirs);
    const names = ['istio-http/1.1', 'istio', 'http/1.1'];
    assert.equal((await askHttp1(port, { tls: { ...tls, ALPNProtocols: names } })).status, 200);
    await assert.rejects(askHttp1(port, { tls: { ...tls, ALPNProtocols: ['http/1.1'] } }));
    const { reason, detail, port: where } = await refusal();
    assert.deepEqual([reason, where], ['no_filter_chain', port]);
    assert.match(detail!, /http\/1\.1/);
  });
});
