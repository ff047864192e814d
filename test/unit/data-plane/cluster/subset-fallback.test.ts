import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterAlone, giveEndpoints } from '../../../support/cluster-alone.ts';

const endpoint = (port: number, version: string) => ({ address: '192.0.2.1', port, metadata: { version } });

describe('a subset that has no endpoints', () => {
  const subsets = { v1: { version: 'v1' }, v2: { version: 'v2' } };
  const addresses = (cluster: ReturnType<typeof clusterAlone>, subset: string) =>
    cluster.group(subset)?.hosts.map(({ port }) => port);

  it('is empty where nothing stands in', () => {
    const cluster = clusterAlone({ subsets });
    giveEndpoints(cluster, [endpoint(1, 'v1')]);
    assert.deepEqual(addresses(cluster, 'v2'), []);
    assert.equal(cluster.group('v3'), undefined);
  });

  it('gives way to another subset, until its own endpoints come', () => {
    const cluster = clusterAlone({ subsets, subsetFallbacks: { v2: 'v1' } });
    giveEndpoints(cluster, [endpoint(1, 'v1'), endpoint(3, 'v3')]);
    assert.deepEqual(addresses(cluster, 'v2'), [1]);
    giveEndpoints(cluster, [endpoint(1, 'v1'), endpoint(2, 'v2')]);
    assert.deepEqual(addresses(cluster, 'v2'), [2]);
    giveEndpoints(cluster, [endpoint(1, 'v1')]);
    assert.deepEqual(addresses(cluster, 'v2'), [1]);
  });

  it('gives way to the whole cluster', () => {
    const cluster = clusterAlone({ subsets, subsetFallbacks: { v2: '' } });
    giveEndpoints(cluster, [endpoint(1, 'v1'), endpoint(3, 'v3')]);
    assert.deepEqual(addresses(cluster, 'v2'), [1, 3]);
  });
});
