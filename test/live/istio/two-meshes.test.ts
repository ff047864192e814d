import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Mesh } from '../../../src/index.ts';
import { hostOf, serviceOf } from './documents.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, web } from './mesh-in-pod.ts';
import { startMutualTlsServer, type MutualTlsServer } from './mutual-tls-server.ts';

const loadMs = 6000;

describe('two meshes and a peer that all renew their certificates', { timeout: 60_000 }, () => {
  let istiod: Istiod;
  let server: MutualTlsServer;
  const meshes = new Map<string, Mesh>();
  before(async () => {
    istiod = await startIstiod();
    server = await startMutualTlsServer(istiod, 'secure');
    await istiod.configure('services', [serviceOf('secure', [{ port: server.port, isInMesh: true }])]);
    await isTold(istiod, 'secure');
    for (const serviceAccount of ['web', 'jobs']) {
      const { mesh } = await meshIn(istiod, { ...web, serviceAccount }, { certificateValiditySeconds: 2 });
      meshes.set(serviceAccount, mesh);
    }
  });
  after(async () => {
    for (const mesh of meshes.values()) await mesh.close();
    await istiod[Symbol.asyncDispose]();
    await server?.stop();
  });

  it('lose no request, and each is known by its own name throughout', async () => {
    const endMs = performance.now() + loadMs;
    const failures: string[] = [];
    let answered = 0;
    const load = async (serviceAccount: string, mesh: Mesh): Promise<void> => {
      while (performance.now() < endMs) {
        try {
          const response = await mesh.fetch(`http://${hostOf('secure')}/`, { method: 'POST', body: 'x'.repeat(100) });
          assert.equal(await response.text(), `URI:spiffe://cluster.local/ns/shop/sa/${serviceAccount}`);
          answered++;
        } catch (error) {
          const { cause } = error as { cause?: Error };
          failures.push(cause?.message ?? String(error));
        }
        await new Promise((resolve) => setTimeout(resolve, 4));
      }
    };
    const renewals = async (): Promise<void> => {
      while (performance.now() < endMs) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await server.renew();
      }
    };
    await Promise.all([renewals(), ...[...meshes].flatMap(([name, mesh]) => [load(name, mesh), load(name, mesh)])]);
    assert.deepEqual(failures, [], `of ${answered + failures.length} requests`);
    assert.ok(answered > 1000, `${answered} requests`);
    const serials = Map.groupBy(server.requests, ({ peer }) => peer);
    for (const [peer, requests] of serials) {
      if (!/sa\/(?:web|jobs)$/.test(peer)) continue;
      const certificates = new Set(requests.map(({ serial }) => serial)).size;
      assert.ok(certificates >= 4, `${peer} showed ${certificates} certificates in ${loadMs} ms, each good for 2 s`);
    }
    assert.equal(serials.size, 2);
  });
});
