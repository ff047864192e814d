import assert from 'node:assert/strict';
import { connect } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { istioControlPlane } from '../../../src/control-plane/istio/index.ts';
import { createMesh, type Mesh } from '../../../src/index.ts';
import { hostOf, serviceOf } from './documents.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, troubleOf, until, web } from './mesh-in-pod.ts';
import { surroundingsOf } from './pod.ts';
import { startPeer } from './peer.ts';

type Peer = Awaited<ReturnType<typeof startPeer>>;

describe('mutual TLS with the sidecars of an Istio mesh', { timeout: 120_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let permissive: Peer;
  let strict: Peer;
  let detecting: Peer;
  before(async () => {
    istiod = await startIstiod();
    permissive = await startPeer(istiod, { serviceAccount: 'permissive', mode: 'PERMISSIVE' });
    strict = await startPeer(istiod, { serviceAccount: 'strict', mode: 'STRICT' });
    detecting = await startPeer(istiod, { serviceAccount: 'detecting', mode: 'DETECTING' });
    await istiod.configure('services', [
      serviceOf('permissive', [{ port: permissive.port, isInMesh: true }]),
      serviceOf('permissive-h2', [{ port: permissive.port, isInMesh: true, serviceAccount: 'permissive' }], 'HTTP2'),
      serviceOf('permissive-unnamed', [{ port: permissive.port, isInMesh: true, serviceAccount: 'permissive' }], 'unnamed'),
      serviceOf('unlabelled', [{ port: permissive.port }]),
      serviceOf('strict', [{ port: strict.port, isInMesh: true }]),
      serviceOf('detecting', [{ port: detecting.port, isInMesh: true }]),
      serviceOf('detecting-h2', [{ port: detecting.port, isInMesh: true, serviceAccount: 'detecting' }], 'HTTP2'),
      serviceOf('strict-unlabelled', [{ port: strict.port }]),
      // The certificate of the peer says `strict`.
      serviceOf('impostor', [{ port: strict.port, isInMesh: true }]),
    ]);
    await isTold(istiod, 'permissive');
    ({ mesh } = await meshIn(istiod));
  });
  after(async () => {
    await mesh?.close();
    await permissive?.stop();
    await strict?.stop();
    await detecting?.stop();
    await istiod[Symbol.asyncDispose]();
  });

  const ask = async (service: string): Promise<Record<string, string>> => {
    const response = await mesh.fetch(`http://${hostOf(service)}/`);
    assert.equal(await response.text(), 'answered by Envoy');
    return Object.fromEntries(response.headers);
  };
  const own = 'spiffe://cluster.local/ns/shop/sa/web';

  it('speaks it to a PERMISSIVE peer, which knows us by our certificate and by the name that was asked for', async () => {
    const seen = await ask('permissive');
    assert.equal(seen['x-chain'], 'mutual-tls');
    assert.equal(seen['x-peer'], own);
    assert.equal(seen['x-server-name'], `outbound_.80_._.${hostOf('permissive')}`);
    assert.equal(seen['x-protocol'], 'HTTP/1.1');
  });

  it('speaks HTTP/2 over it where the port is one of HTTP/2', async () => {
    const seen = await ask('permissive-h2');
    assert.equal(seen['x-chain'], 'mutual-tls');
    assert.equal(seen['x-protocol'], 'HTTP/2');
    assert.equal(seen['x-peer'], own);
  });

  it('speaks HTTP/1.1 over it where nobody named the protocol of the port: the app there may know nothing else', async () => {
    const seen = await ask('permissive-unnamed');
    assert.equal(seen['x-chain'], 'mutual-tls');
    assert.equal(seen['x-protocol'], 'HTTP/1.1');
  });

  it('speaks plaintext to an endpoint that is not labelled as one of the mesh', async () => {
    const seen = await ask('unlabelled');
    assert.equal(seen['x-chain'], 'plaintext');
  });

  it('speaks it to a STRICT peer', async () => {
    const seen = await ask('strict');
    assert.equal(seen['x-chain'], 'mutual-tls');
    assert.equal(seen['x-peer'], own);
  });

  for (const service of ['detecting', 'detecting-h2']) {
    it(`tells a peer that finds out the protocol by ALPN that it speaks HTTP (${service})`, async () => {
      assert.equal((await ask(service))['x-protocol'], service === 'detecting' ? 'HTTP/1.1' : 'HTTP/2');
    });
  }

  it('is refused by a STRICT peer without it', async () => {
    await assert.rejects(ask('strict-unlabelled'), (error: Error) => {
      assert.match((error.cause as { code: string }).code, /^MESH_(RESET|CONNECT_FAILED)$/);
      return true;
    });
  });

  it('sends nothing to a peer whose certificate is that of another service account', async () => {
    await assert.rejects(ask('impostor'), (error: Error) => {
      assert.equal((error.cause as { code: string }).code, 'MESH_PEER_IDENTITY');
      assert.match((error.cause as Error).message, /spiffe:\/\/cluster\.local\/ns\/shop\/sa\/(impostor|strict)/);
      return true;
    });
  });

  it('could not reach a PERMISSIVE peer without the protocols of the mesh: plain TLS has no filter chain there', async () => {
    const socket = connect({ host: '127.0.0.1', port: permissive.port, ALPNProtocols: ['http/1.1'], rejectUnauthorized: false });
    const outcome = await new Promise<string>((resolve) => {
      socket.once('secureConnect', () => resolve('connected'));
      socket.once('error', () => resolve('closed'));
      socket.once('close', () => resolve('closed'));
    });
    socket.destroy();
    assert.equal(outcome, 'closed');
  });

  it('stands down in a pod that has a real Envoy', async () => {
    const root = await istiod.podFolder(web);
    const surroundings = surroundingsOf(root, istiod);
    const plane = istioControlPlane(
      {},
      { ...surroundings, residentPorts: { ...surroundings.residentPorts, admin: permissive.adminPort } },
    );
    await using standing = await createMesh({ controlPlane: plane });
    const words = await until(() => troubleOf(standing));
    assert.match(words, /^stands down, because this pod has an Envoy sidecar \(its admin interface is at 127\.0\.0\.1:\d+\)/);
    assert.equal((await standing.fetch(`http://localhost:${permissive.port}/`)).headers.get('x-chain'), 'plaintext');
    assert.deepEqual(
      standing.status().identities.filter(({ source }) => source === 'istio'),
      [],
    );
  });
});
