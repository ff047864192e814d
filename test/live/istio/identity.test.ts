import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { podPaths } from '../../../src/control-plane/istio/pod-files.ts';
import { startServer } from '../../support/servers.ts';
import { createPluggedAuthority } from './certificates.ts';
import { hostOf, serviceOf } from './documents.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, ownIdentity, troubleOf, until, web } from './mesh-in-pod.ts';
import { certificateOf, rootCertificateIn } from './pod.ts';

describe('a mesh that asks a real istiod', { timeout: 180_000 }, () => {
  let istiod: Istiod;
  before(async () => {
    istiod = await startIstiod();
  });
  after(() => istiod[Symbol.asyncDispose]());

  it('turns the token into a certificate, the certificate into a configuration, and the first request goes through', async () => {
    const backend = await startServer((_request, response) => response.end('first'));
    await istiod.configure('services', [serviceOf('first', [{ port: backend.port }])]);
    await isTold(istiod, 'first');
    const { mesh } = await meshIn(istiod);
    await using _ = mesh;
    const response = await mesh.fetch(`http://${hostOf('first')}/`);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'first');
    assert.equal(ownIdentity(mesh)?.svid?.spiffeId, 'spiffe://cluster.local/ns/shop/sa/web');
    assert.equal(mesh.status().identities.find(({ name }) => name === 'ROOTCA')?.trustBundle !== undefined, true);
    assert.equal(troubleOf(mesh), undefined);
  });

  it('knows a service by its short names, as pods of its namespace do', async () => {
    const backend = await startServer((_request, response) => response.end('short'));
    await istiod.configure('services', [serviceOf('short', [{ port: backend.port }])]);
    await isTold(istiod, 'short');
    const { mesh } = await meshIn(istiod);
    await using _ = mesh;
    for (const host of ['short', 'short.shop', 'short.shop.svc', hostOf('short')]) {
      const response = await mesh.fetch(`http://${host}/`);
      assert.equal(await response.text(), 'short', host);
    }
  });

  it('says what is wrong with a token of another audience, and what to do', async () => {
    const { mesh } = await meshIn(istiod, { ...web, audience: 'somebody-else' });
    await using _ = mesh;
    const told = await until(() => ownIdentity(mesh)?.sourceStatus?.error ?? troubleOf(mesh));
    assert.match(told, /UNAUTHENTICATED/);
    const words = await until(() => {
      const status = troubleOf(mesh);
      return status !== undefined && /UNAUTHENTICATED/.test(status) ? status : undefined;
    });
    assert.match(words, /token/);
    await assert.rejects(mesh.fetch(`http://${hostOf('first')}/`), (error: Error) => {
      assert.match((error.cause as Error).message, /UNAUTHENTICATED/);
      return true;
    });
  });

  it('loses no request while its certificate is renewed again and again', async (test) => {
    const issued = await certificateOf(istiod, 'shop', 'secure');
    const serials = new Set<string>();
    const server = createServer(
      {
        cert: issued.certificateChain,
        key: issued.privateKey.reveal(),
        ca: istiod.authority.root.certificate,
        requestCert: true,
        rejectUnauthorized: true,
        ALPNProtocols: ['http/1.1'],
      },
      (request, response) => {
        const peer = (request.socket as TLSSocket).getPeerX509Certificate();
        serials.add(peer?.serialNumber ?? '');
        response.end(peer?.subjectAltName ?? '');
      },
    );
    test.after(() => {
      server.close();
      server.closeAllConnections();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await istiod.configure('services', [serviceOf('secure', [{ port, isInMesh: true }])]);
    await isTold(istiod, 'secure');
    const { mesh } = await meshIn(istiod, web, { certificateValiditySeconds: 4 });
    await using _ = mesh;
    const endMs = performance.now() + 12_000;
    let requests = 0;
    const load = async (): Promise<void> => {
      while (performance.now() < endMs) {
        const response = await mesh.fetch(`http://${hostOf('secure')}/`);
        assert.equal(await response.text(), 'URI:spiffe://cluster.local/ns/shop/sa/web');
        requests++;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await Promise.all([load(), load(), load(), load()]);
    assert.ok(requests > 1000, `${requests} requests`);
    assert.ok(serials.size >= 4, `${serials.size} certificates in 12 s, each good for 4 s`);
  });

  it('needs the token no more once it has a certificate: stream and renewal go by that', async () => {
    const backend = await startServer((_request, response) => response.end('by certificate'));
    await istiod.configure('services', [serviceOf('first', [{ port: backend.port }])]);
    await isTold(istiod, 'first');
    const { mesh, root } = await meshIn(istiod, web, { certificateValiditySeconds: 4 });
    await using _ = mesh;
    const ask = async (service: string): Promise<string> => (await mesh.fetch(`http://${hostOf(service)}/`)).text();
    assert.equal(await ask('first'), 'by certificate');
    await writeFile(join(root, podPaths.token), istiod.token('shop', 'web', 'somebody-else'));
    const generation = ownIdentity(mesh)?.svid?.generation;
    await until(() => (ownIdentity(mesh)?.svid?.generation === generation ? undefined : true));
    await istiod.restart();
    await istiod.configure('services', [
      serviceOf('first', [{ port: backend.port }]),
      serviceOf('later', [{ port: backend.port }]),
    ]);
    assert.equal(await until(() => ask('later').catch(() => undefined)), 'by certificate');
    assert.equal(troubleOf(mesh), undefined);
  });

  it('loses no request while istiod is away, and follows it when it comes back with another root', async () => {
    const backend = await startServer((_request, response) => response.end('still here'));
    await istiod.configure('services', [serviceOf('first', [{ port: backend.port }])]);
    await isTold(istiod, 'first');
    const { mesh, root } = await meshIn(istiod);
    await using _ = mesh;
    const ask = async (service: string): Promise<string> => (await mesh.fetch(`http://${hostOf(service)}/`)).text();
    assert.equal(await ask('first'), 'still here');
    const over = new AbortController();
    let requests = 0;
    const load = async (): Promise<void> => {
      for (; !over.signal.aborted; requests++) {
        assert.equal(await ask('first'), 'still here');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const loads = Promise.all([load(), load()]);
    const earlier = ownIdentity(mesh)?.svid?.generation;
    await istiod.stop();
    await until(() => troubleOf(mesh));
    const second = await createPluggedAuthority('second');
    await istiod.restart(second);
    await istiod.configure('services', [
      serviceOf('first', [{ port: backend.port }]),
      serviceOf('second', [{ port: backend.port }]),
    ]);
    // The ConfigMap with the root reaches the pod.
    await writeFile(rootCertificateIn(root), second.root.certificate);
    await until(() => (ownIdentity(mesh)?.svid?.generation !== earlier ? true : undefined));
    await until(() => (troubleOf(mesh) === undefined ? true : undefined), 60_000);
    assert.equal(await until(() => ask('second').catch(() => undefined)), 'still here');
    over.abort();
    await loads;
    assert.ok(requests > 50, `${requests} requests`);
  });
});
