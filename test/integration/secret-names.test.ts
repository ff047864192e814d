/** A server that delivers secrets beside other sources of identities: what it names is its own, whoever is first. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createMesh, isMeshError, type ControlPlane } from 'meshfetch';
import { xdsControlPlane } from '../../src/control-plane/xds/index.ts';
import type { IdentitySink } from '../../src/model/contracts.ts';
import { testAuthority, workloadCertificate } from '../support/certificates.ts';
import { assignment, edsCluster, routeTable, sidecarListener } from '../support/envoy-samples.ts';
import { eventually } from '../support/mesh-of.ts';
import { startHttps } from '../support/secured.ts';
import { startXdsPlane } from '../support/xds-plane.ts';

it('a secret of an xDS server took the name of another source’s roots, which were refused then', async () => {
  const [ours, foreign] = await Promise.all([testAuthority(), testAuthority('foreign CA')]);
  const impostor = await startHttps(await workloadCertificate(foreign, 'payments'), (_request, response) =>
    response.end('foreign'),
  );
  const payments = await startHttps(await workloadCertificate(ours, 'payments'), (_request, response) => response.end('ours'));
  await using plane = await startXdsPlane();
  const context = {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    sni: 'orders',
    common_tls_context: { validation_context_sds_secret_config: { name: 'workloads', sds_config: { ads: {} } } },
  };
  plane.set('cluster', edsCluster('c', { transport_socket: { name: 'tls', typed_config: context } }));
  plane.set('listener', sidecarListener(80));
  plane.set('routeConfiguration', routeTable('80', { orders: 'c' }));
  plane.set('endpoints', assignment('c', impostor.address));
  plane.set('secret', { name: 'workloads', validation_context: { trusted_ca: { inline_string: foreign.certificate } } });

  let agent: IdentitySink | undefined;
  const late: ControlPlane = {
    name: 'agent',
    identity: {
      name: 'agent',
      async run(sink, signal) {
        agent = sink;
        sink.status({ state: 'failed', error: 'not there yet' });
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      },
    },
    async run({ sink, signal }) {
      await sink.apply({ version: '1', set: [], remove: [] });
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
  const tls = { mode: 'simple', identity: 'workloads', sni: 'payments', peers: ['spiffe://example.org/payments'] } as const;
  const services = {
    payments: { endpoints: [payments.address], tls },
    impostor: { endpoints: [impostor.address], tls },
  };
  const xds = xdsControlPlane({ servers: plane.address, node: { id: 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local' } });
  await using mesh = await createMesh({
    controlPlane: [{ services }, late, xds],
    unknownHosts: 'refuse',
    drainTimeoutMs: 10,
    configTimeoutMs: 2000,
  });
  const outcome = (url: string): Promise<string> =>
    mesh.fetch(url).then(
      (response) => response.text(),
      (error: unknown) => {
        const { cause } = error as Error;
        return isMeshError(cause) ? cause.code : String(error);
      },
    );

  assert.equal(await outcome('http://orders/'), 'foreign');
  assert.ok(mesh.status().identities.some(({ name, source }) => name === 'xds/workloads' && source === 'xds'));
  assert.notEqual(await outcome('http://impostor/'), 'foreign');

  await eventually('the agent is asked', () => agent !== undefined);
  assert.deepEqual(agent?.setTrustBundle({ name: 'workloads', certificates: ours.certificate }), { ok: true });
  assert.equal(await outcome('http://payments/'), 'ours');
  assert.notEqual(await outcome('http://impostor/'), 'foreign');
  assert.equal(await outcome('http://orders/'), 'foreign');
});
