import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../../../src/base/runtime.ts';
import { ClusterVerdicts } from '../../../../../src/control-plane/xds/source/cluster-verdicts.ts';
import type { Judgement } from '../../../../../src/control-plane/xds/source/kept-resources.ts';
import { Pace } from '../../../../../src/control-plane/xds/source/pace.ts';
import type { SourceFindings } from '../../../../../src/model/contracts.ts';
import { envoyBytes } from '../../../../support/envoy-bytes.ts';
import { edsCluster } from '../../../../support/envoy-samples.ts';
import { sourceOnStore } from '../../../../support/xds-source.ts';

const clusterType = 'envoy.config.cluster.v3.Cluster';
const tlsUrl = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const good: Judgement = { problems: [], unhonoured: [], notes: [] };

interface Words {
  readonly name: string;
  readonly sni?: string | undefined;
  readonly san?: object;
  readonly host?: string;
  readonly more?: object;
}

function meshCluster({ name, sni = `outbound.${name}`, san, host = name, more }: Words): object & { name: string } {
  const identity = san ?? { san_type: 'URI', matcher: { exact: `spiffe://cluster.local/ns/shop/sa/${name}` } };
  const context = {
    sni,
    common_tls_context: {
      alpn_protocols: ['istio'],
      combined_validation_context: {
        default_validation_context: { match_typed_subject_alt_names: [identity] },
        validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: { ads: {} } },
      },
    },
  };
  const socket = { name: 'tls', typed_config: { '@type': tlsUrl, ...context } };
  return edsCluster(name, {
    eds_cluster_config: { eds_config: { ads: {} }, service_name: name },
    metadata: { filter_metadata: { istio: { services: [{ host, namespace: 'shop' }], config: '' } } },
    transport_socket_matches: [{ name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transport_socket: socket }],
    ...more,
  });
}

/** How many of these are checked. */
async function checksOf(clusters: readonly { readonly name: string }[], verdict = good): Promise<number> {
  const verdicts = new ClusterVerdicts();
  const pace = new Pace(systemClock);
  let checks = 0;
  for (const cluster of clusters) {
    const bytes = envoyBytes(cluster, clusterType);
    await verdicts.of(cluster.name, bytes, pace, () => {
      checks++;
      return Promise.resolve(verdict);
    });
  }
  return checks;
}

const first = meshCluster({ name: 'reviews.shop' });

test('clusters that differ in names, identities and the texts of metadata are checked once', async () => {
  const others = ['ratings.shop', 'a', 'long'.repeat(60)].map((name) => meshCluster({ name, host: `${name}.elsewhere` }));
  assert.equal(await checksOf([first, ...others, first]), 1);
});

const others: readonly [name: string, other: object & { name: string }][] = [
  ['another-policy', meshCluster({ name: 'x', more: { lb_policy: 'LEAST_REQUEST' } })],
  ['another-number-in-metadata', meshCluster({ name: 'x', more: { metadata: { filter_metadata: { istio: { port: 1 } } } } })],
  ['no-server-name', meshCluster({ name: 'x', sni: '' })],
  ['a-name-beyond-ascii', meshCluster({ name: 'x', sni: 'bücher' })],
  ['a-name-beyond-the-bound', meshCluster({ name: 'x', sni: 'x'.repeat(1025) })],
  ['an-address-for-an-identity', meshCluster({ name: 'x', san: { san_type: 'IP_ADDRESS', matcher: { exact: '10.0.0.1' } } })],
  ['a-prefix-for-an-identity', meshCluster({ name: 'x', san: { san_type: 'URI', matcher: { prefix: 'spiffe://a' } } })],
  ['endpoints-of-its-own', meshCluster({ name: 'x', more: { load_assignment: { cluster_name: 'x' } } })],
];
for (const [name, other] of others) {
  test(`a cluster of another shape is checked by itself: ${name}`, async () => {
    assert.equal(await checksOf([first, other]), 2);
  });
}

test('an identity of the same shape is not taken for one of another kind', async () => {
  const address = (exact: string): object => ({ san_type: 'IP_ADDRESS', matcher: { exact } });
  const clusters = ['10.0.0.1', 'reviews'].map((exact) => meshCluster({ name: 'x', san: address(exact) }));
  assert.equal(await checksOf(clusters), 2);
});

test('a refused cluster and one whose findings quote it answer for themselves alone', async () => {
  const second = meshCluster({ name: 'ratings.shop' });
  assert.equal(await checksOf([first, second], { ...good, problems: [{ path: '', reason: 'bad' }] }), 2);
  assert.equal(await checksOf([first, second], { ...good, notes: [{ path: 'tls', reason: 'reviews.shop is odd' }] }), 2);
  assert.equal(await checksOf([first, second], { ...good, notes: [{ path: 'tls', reason: 'is odd' }] }), 1);
});

test('bytes that a cluster was cut to are never taken for a cluster', async () => {
  const bytes = envoyBytes(first, clusterType);
  const verdicts = new ClusterVerdicts();
  const pace = new Pace(systemClock);
  await verdicts.of(first.name, bytes, pace, () => Promise.resolve(good));
  for (let length = 0; length < bytes.length; length++) {
    let isChecked = false;
    await verdicts.of(first.name, bytes.subarray(0, length), pace, () => {
      isChecked = true;
      return Promise.resolve({ ...good, problems: [{ path: '', reason: 'bad' }] });
    });
    assert.ok(isChecked, `${length} of ${bytes.length} bytes`);
  }
});

/** The findings of the source about a cluster. */
function said({ rejected, unhonoured }: SourceFindings, name: string): string {
  return JSON.stringify([rejected, unhonoured].map((list) => list.filter(({ key }) => key.name === name)));
}

test('what the source says of a cluster does not depend on those that came before', async () => {
  const clusters = [first, ...others.map(([, other], index) => ({ ...other, name: `other-${index}` }))];
  await using all = await sourceOnStore();
  const refused = await all.client.push('cluster', clusters);
  for (const cluster of clusters) {
    const { name } = cluster;
    await using alone = await sourceOnStore();
    const own = await alone.client.push('cluster', [cluster]);
    assert.deepEqual(
      refused.filter((each) => each.name === name),
      own,
    );
    assert.equal(said(all.findings(), name), said(alone.findings(), name), name);
  }
});

test('a field without effect is reported of every cluster that has it', async () => {
  const odd = (name: string): object => meshCluster({ name, more: { upstream_bind_config: {} } });
  await using source = await sourceOnStore();
  await source.client.push('cluster', [odd('odd-1'), odd('odd-2'), odd('odd-3')]);
  const [found] = source.findings().unhonoured;
  assert.match(found!.reason, /here and at 2 others/);
});
