import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { createVirtualClock } from '../../../../../src/testing/virtual-clock.ts';
import { testAuthority, workloadCertificate } from '../../../../support/certificates.ts';
import { assignment, edsCluster, routeTable, sidecarListener } from '../../../../support/envoy-samples.ts';
import { sourceOnStore, type SourceOnStore } from '../../../../support/xds-source.ts';

const authority = await testAuthority();
const issued = await workloadCertificate(authority, 'orders');
const key = issued.privateKey.reveal();
const words = key.split('\n')[1]!;

function tls(context: object): object {
  return {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        sni: 'orders',
        common_tls_context: context,
      },
    },
  };
}

const bySds = tls({
  tls_certificate_sds_secret_configs: [{ name: 'ours', sds_config: { ads: {} } }],
  validation_context_sds_secret_config: { name: 'roots', sds_config: { ads: {} } },
});
const inline = tls({
  tls_certificates: [{ certificate_chain: { inline_string: issued.certificateChain }, private_key: { inline_string: key } }],
  validation_context: { trusted_ca: { inline_string: authority.certificate } },
});
const ours = {
  name: 'ours',
  tls_certificate: { certificate_chain: { inline_string: issued.certificateChain }, private_key: { inline_string: key } },
};
const roots = { name: 'roots', validation_context: { trusted_ca: { inline_string: authority.certificate } } };

/** Everything that a source says of itself. */
function said(source: SourceOnStore): string {
  return inspect(
    [source.store.status(), source.findings(), source.statuses, source.applied, source.absences, source.snapshot()],
    {
      depth: 30,
      maxArrayLength: 1000,
      maxStringLength: 1e6,
    },
  );
}

describe('secrets of an xDS source', () => {
  it('are subscribed to by the names that wanted clusters give, and go to the identities', async () => {
    const clock = createVirtualClock();
    await using source = await sourceOnStore({}, clock);
    const { client } = source;
    await client.push('cluster', [edsCluster('orders|', bySds), edsCluster('cart|', bySds)]);
    assert.equal(client.subscribed.has('secret ours'), false);
    const end = source.ask('orders|');
    await source.settled();
    assert.deepEqual(
      client.history.filter((line) => line.includes('secret')),
      ['+secret ours', '+secret roots'],
    );
    assert.deepEqual(await client.push('secret', [ours, roots]), []);
    assert.equal(source.svids.get('xds/ours')?.certificateChain.trim(), issued.certificateChain.trim());
    assert.equal(source.bundles.get('xds/roots')?.certificates.trim(), authority.certificate.trim());

    end();
    await source.settled();
    await clock.advance(10_000);
    assert.deepEqual([client.subscribed.has('secret ours'), source.svids.size, source.bundles.size], [false, 0, 0]);
  });

  it('hold back a cluster that nobody uses yet until the server has said what they are, and no other', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('cluster', [edsCluster('orders|', bySds), edsCluster('cart|')]);
    source.ask('orders|');
    source.ask('cart|');
    await source.settled();
    assert.deepEqual([...source.snapshot().clusters.keys()], ['cart|']);
    await client.push('secret', [ours]);
    assert.deepEqual([...source.snapshot().clusters.keys()], ['cart|']);
    assert.equal(source.plane.awaits?.({ kind: 'cluster', name: 'orders|' }), 'the secrets of cluster "orders|"');
    await client.push('secret', [ours, roots]);
    assert.deepEqual([...source.snapshot().clusters.keys()].toSorted(), ['cart|', 'orders|']);
  });

  it('that the server does not have hold nothing back: connections say what is missing', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('cluster', [edsCluster('orders|', bySds)]);
    source.ask('orders|');
    await source.settled();
    for (const name of ['ours', 'roots']) client.absent('secret', name, 'the server has no such secret');
    await source.settled();
    assert.equal(source.snapshot().clusters.size, 1);
  });

  it('are not subscribed to where another part delivers them', async () => {
    await using source = await sourceOnStore({ localSecrets: new Set(['ours']) });
    source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|', bySds)]);

    assert.deepEqual(
      source.client.history.filter((line) => line.includes('secret')),
      ['+secret roots'],
    );
  });

  it('that stand in a cluster go to the identities while it is in use, and are in nothing that is said', async () => {
    await using source = await sourceOnStore();
    const end = source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|', inline)]);
    assert.equal(source.svids.size, 1);
    assert.match([...source.svids.keys()][0]!, /^xds\/inline:[0-9a-f]{16}$/);
    assert.equal(said(source).includes(words), false);

    end();
    await source.settled();
    assert.deepEqual([source.svids.size, source.bundles.size], [0, 0]);
  });

  const names: readonly { name: string; written: string }[] = [
    { name: 'file', written: 'file:/etc/ca.pem' },
    { name: 'provider', written: 'provider:workload' },
    { name: 'inline', written: 'inline:0123456789abcdef' },
    { name: 'refusal', written: 'not carried out: crl' },
  ];
  for (const { name, written } of names)
    it(`could take a name that is given here: ${name}`, async () => {
      await using source = await sourceOnStore();
      source.ask('orders|');
      const cluster = tls({ validation_context_sds_secret_config: { name: written, sds_config: { ads: {} } } });
      const refused = await source.client.push('cluster', [edsCluster('orders|', cluster)]);
      assert.match(JSON.stringify(refused), /must not begin with/);
      await source.settled();
      assert.deepEqual(
        source.client.history.filter((line) => line.includes('secret')),
        [],
      );
    });

  it('are in no refusal', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|', bySds)]);
    const halfKey = key.slice(0, key.length / 2);
    const refused = await source.client.push('secret', [
      {
        name: 'ours',
        tls_certificate: {
          certificate_chain: { inline_string: key },
          private_key: { inline_string: halfKey },
          password: { inline_string: 'hunter2' },
        },
      },
    ]);
    const bad = await source.client.push('cluster', [
      edsCluster(
        'orders|',
        tls({
          tls_certificates: [
            {
              certificate_chain: { inline_string: issued.certificateChain },
              private_key: { inline_string: key },
              password: { inline_string: 'hunter2' },
            },
          ],
          tls_params: { tls_minimum_protocol_version: 77 },
        }),
      ),
    ]);

    for (const text of [JSON.stringify(refused), JSON.stringify(bad), said(source)]) {
      assert.equal(text.includes(words), false);
      assert.equal(text.includes('hunter2'), false);
    }
  });

  it('are not written to the disk, and neither is a cluster with a key in it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'xds-secrets-'));
    try {
      {
        await using source = await sourceOnStore({ snapshot: { folder, maxAgeMs: 1e9, waitMs: 1e6, owner: 'me' } });
        const { client } = source;
        source.ask('orders:80');
        source.ask('cart|');
        await client.push('cluster', [edsCluster('orders', bySds), edsCluster('cart|', inline)]);
        await client.push('listener', [sidecarListener(80)]);
        await client.push('routeConfiguration', [routeTable('80', { orders: 'orders' })]);
        await client.push('endpoints', [assignment('orders', 8001), assignment('cart|', 8002)]);
        await client.push('secret', [ours, roots]);
      }
      const [file] = await readdir(folder);
      const text = await readFile(join(folder, file!), 'latin1');
      assert.match(text, /orders/);
      assert.equal(text.includes('BEGIN'), false);
      assert.equal(text.includes(words), false);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('filters that are delivered apart', () => {
  const listener = sidecarListener(80, {
    filters: [
      {
        name: 'faults',
        config_discovery: {
          config_source: { ads: {} },
          type_urls: ['type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault'],
        },
      },
    ],
  });
  const fault = (status: number): object => ({
    name: 'faults',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
      abort: { http_status: status, percentage: { numerator: 100 } },
    },
  });

  it('are subscribed to, waited for and followed', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    source.ask('orders:80');
    await client.push('listener', [listener]);
    await source.settled();
    await client.push('routeConfiguration', [routeTable('80', { orders: 'orders' })]);
    assert.equal(client.subscribed.has('extension faults'), true);
    assert.equal(source.snapshot().listeners.size, 0, 'without its filter it is not a listener yet');

    for (const status of [418, 503]) {
      await client.push('extension', [fault(status)]);
      const value = source.value('listener', '0.0.0.0_80');
      assert.equal(value?.direction === 'outbound' && inspect(value.policy, { depth: 9 }).includes(String(status)), true);
    }
  });
});
