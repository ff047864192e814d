import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adaptCluster } from '../../../../src/control-plane/istio/alpn.ts';
import type { ClusterConfig, UpstreamProtocol } from '../../../../src/model/cluster.ts';
import type { UpstreamTls } from '../../../../src/model/tls.ts';

const tls: UpstreamTls = {
  mode: 'mutual',
  identity: 'default',
  trust: 'ROOTCA',
  alpn: ['istio-peer-exchange', 'istio'],
  peers: [{ kind: 'uri', match: 'exact', value: 'spiffe://cluster.local/ns/shop/sa/reviews' }],
};
const cluster: ClusterConfig = {
  name: 'outbound|80||reviews.shop.svc.cluster.local',
  discovery: { kind: 'static', localities: [] },
  loadBalancing: { policy: 'least-request' },
  protocol: 'http1',
  tlsMatches: [
    { name: 'tlsMode-istio', metadata: { tlsMode: 'istio' }, tls },
    { name: 'tlsMode-disabled', metadata: {}, tls: { mode: 'disabled' } },
  ],
};
const alpnOf = (adapted: ClusterConfig): readonly string[] | undefined => {
  const first = adapted.tlsMatches?.[0]?.tls;
  return first === undefined || first.mode === 'disabled' ? undefined : first.alpn;
};

describe('adaptCluster', () => {
  const rows: readonly { name: string; protocol: UpstreamProtocol; alpn: readonly string[] }[] = [
    { name: 'http1', protocol: 'http1', alpn: ['istio-http/1.1', 'istio', 'http/1.1'] },
    { name: 'http2', protocol: 'http2', alpn: ['istio-h2', 'istio', 'h2'] },
    { name: 'unnamed-port', protocol: 'same-as-request', alpn: ['istio-h2', 'istio', 'h2', 'istio-http/1.1', 'http/1.1'] },
  ];
  for (const { name, protocol, alpn } of rows) {
    it(`offers the names of HTTP in the mesh, never that of the exchange of TCP (${name})`, () => {
      assert.deepEqual(alpnOf(adaptCluster({ ...cluster, protocol })), alpn);
    });
  }

  it('changes nothing else, and no plaintext', () => {
    const adapted = adaptCluster(cluster);
    assert.deepEqual(adapted, {
      ...cluster,
      tlsMatches: [{ ...cluster.tlsMatches![0]!, tls: { ...tls, alpn: alpnOf(adapted) } }, cluster.tlsMatches![1]],
    });
  });

  it('leaves the list of a cluster outside the mesh as it is', () => {
    const outside: ClusterConfig = { ...cluster, tls: { ...tls, alpn: ['h2'] }, metadata: { istio: { alpn_override: 'false' } } };
    assert.equal(adaptCluster(outside), outside);
  });

  it('leaves a plaintext cluster as it is', () => {
    const { tlsMatches: _, ...plain } = cluster;
    assert.equal(adaptCluster(plain), plain);
  });
});
