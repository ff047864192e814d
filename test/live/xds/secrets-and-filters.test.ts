/** Secrets (SDS) and filters (ECDS) that go-control-plane delivers apart, and that change while requests go on. */
import assert from 'node:assert/strict';
import type { TLSSocket } from 'node:tls';
import { describe, it } from 'node:test';
import { createMesh, type Mesh } from '../../../src/index.ts';
import { xdsControlPlane } from '../../../src/control-plane/xds/index.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../src/security/certificate-authority.ts';
import { testAuthority, workloadCertificate } from '../../support/certificates.ts';
import { eventually } from '../../support/mesh-of.ts';
import { startHttps } from '../../support/secured.ts';
import { steadyLoad } from '../../support/steady-load.ts';
import { startControlPlane, type SnapshotJson } from './control-plane.ts';
import { startBackend } from './orders.ts';
import { servicesAt } from './services.ts';

const ads = { ads: {}, resource_api_version: 'V3' };
const types = 'type.googleapis.com/envoy.extensions';

function meshOn(address: string, protocol: 'state-of-the-world' | 'delta'): Promise<Mesh> {
  const controlPlane = xdsControlPlane({ servers: address, protocol, node: { id: 'web-1' } });
  return createMesh({ controlPlane, unknownHosts: 'refuse', drainTimeoutMs: 100 });
}

/** Only the certificate is of this version. */
function securedAt(version: string, port: number, issued: IssuedCertificate, roots: CertificateAuthority): SnapshotJson {
  const context = {
    '@type': `${types}.transport_sockets.tls.v3.UpstreamTlsContext`,
    sni: 'orders',
    common_tls_context: {
      tls_certificate_sds_secret_configs: [{ name: 'ours', sds_config: ads }],
      validation_context_sds_secret_config: { name: 'roots', sds_config: ads },
    },
  };
  const transportSocket = { name: 'envoy.transport_sockets.tls', typed_config: context };
  const certificate = {
    certificate_chain: { inline_string: issued.certificateChain },
    private_key: { inline_string: issued.privateKey.reveal() },
  };
  return {
    ...servicesAt('1', { orders: { ports: [port], cluster: { transport_socket: transportSocket } } }),
    versions: { secrets: version },
    secrets: [
      { name: 'ours', tls_certificate: certificate },
      { name: 'roots', validation_context: { trusted_ca: { inline_string: roots.certificate } } },
    ],
  };
}

/** Every request is answered so, by a filter that the listener does not bring itself. */
function abortedBy(version: string, port: number, status: number): SnapshotJson {
  const snapshot = servicesAt('1', { orders: { ports: [port] } });
  const api = (snapshot.listeners![0] as { readonly api_listener: { readonly api_listener: Readonly<Record<string, unknown>> } })
    .api_listener.api_listener;
  const discovery = { config_source: ads, type_urls: [`${types}.filters.http.fault.v3.HTTPFault`] };
  const filters = [{ name: 'abort', config_discovery: discovery }, ...(api['http_filters'] as readonly object[])];
  const abort = { http_status: status, percentage: { numerator: 100, denominator: 'HUNDRED' } };
  return {
    ...snapshot,
    versions: { extensions: version },
    listeners: [{ name: 'orders', api_listener: { api_listener: { ...api, http_filters: filters } } }],
    extensions: [
      {
        name: 'abort',
        typed_config: { '@type': `${types}.filters.http.fault.v3.HTTPFault`, ...(status > 0 && { abort }) },
      },
    ],
  };
}

for (const protocol of ['state-of-the-world', 'delta'] as const)
  describe(`what go-control-plane delivers apart (${protocol})`, () => {
    it('is our certificate: replaced under load, with no request lost', async () => {
      const authority = await testAuthority();
      const serials = new Set<string>();
      const server = await startHttps(
        await workloadCertificate(authority, 'orders'),
        (request, response) => {
          serials.add((request.socket as TLSSocket).getPeerCertificate().serialNumber);
          response.end('ok');
        },
        authority,
      );
      const port = Number(server.address.split(':')[1]);
      await using plane = await startControlPlane();
      await plane.setSnapshot(securedAt('1', port, await workloadCertificate(authority, 'web'), authority));
      await using mesh = await meshOn(plane.address, protocol);
      const ask = async (): Promise<void> => {
        const response = await mesh.fetch('http://orders/');
        assert.equal(await response.text(), 'ok');
      };
      await ask();
      const running = steadyLoad(100, ask);
      for (const version of ['2', '3']) {
        const seen = serials.size;
        await plane.setSnapshot(securedAt(version, port, await workloadCertificate(authority, 'web'), authority));
        await eventually(`a connection with certificate ${version}`, () => serials.size > seen, 10_000);
      }
      const { failures, ok } = await running.stop();
      assert.deepEqual(failures, []);
      assert.ok(ok > 0);
      assert.equal(serials.size, 3);
    });

    it('is a filter: what it does now holds for the next requests', async () => {
      const port = await startBackend();
      await using plane = await startControlPlane();
      await plane.setSnapshot(abortedBy('1', port, 451));
      await using mesh = await meshOn(plane.address, protocol);
      const status = async (): Promise<number> => (await mesh.fetch('http://orders/')).status;
      assert.equal(await status(), 451);
      for (const [version, expected] of [
        ['2', 418],
        ['3', 200],
        ['4', 451],
      ] as const) {
        await plane.setSnapshot(abortedBy(version, port, expected === 200 ? 0 : expected));
        const endMs = performance.now() + 5000;
        while ((await status()) !== expected) {
          assert.ok(performance.now() < endMs, `status ${expected}`);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    });
  });
