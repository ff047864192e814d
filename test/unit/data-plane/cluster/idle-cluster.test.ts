import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Cluster } from '../../../../src/data-plane/cluster/cluster.ts';
import type { Clock } from '../../../../src/base/runtime.ts';
import type { ClusterConfig } from '../../../../src/model/cluster.ts';
import { clusterDependencies } from '../../../support/cluster-alone.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

const config: ClusterConfig = {
  name: 'orders',
  discovery: { kind: 'endpoints', name: 'orders' },
  loadBalancing: { policy: 'least-request' },
  outlierDetection: { cusum: {}, baseEjectionMs: 30_000, maxEjectionMs: 300_000, maxEjectionPercent: 67 },
  limits: { maxRequests: 100 },
  circuitBreaker: { errorThresholdPercent: 50, minimumRequests: 10, openMs: 5000, windowMs: 10_000 },
};
const endpoints = {
  name: 'orders',
  localities: [{ locality: {}, priority: 0, endpoints: [{ address: '192.0.2.1', port: 8080 }] }],
};

describe('a cluster that nobody asks for anything', () => {
  it('has no timer', () => {
    let timers = 0;
    const clock: Clock = {
      ...createVirtualClock(),
      setTimer: () => {
        timers++;
        return { cancel: () => {} };
      },
    };
    const dependencies = clusterDependencies({ clock });
    const hook = createHook({
      init: (_id, type) => {
        if (type === 'Timeout') timers++;
      },
    }).enable();
    for (let index = 0; index < 100; index++) new Cluster(dependencies, 'test').update(config, endpoints);
    hook.disable();
    assert.equal(timers, 0);
  });

  it('takes less than a kilobyte beside its endpoints', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const dependencies = clusterDependencies({ clock: createVirtualClock() });
    const none = { name: 'orders', localities: [] };
    const bytesEach = (count: number): number => {
      collect();
      const before = process.memoryUsage().heapUsed;
      const clusters = Array.from({ length: count }, () => {
        const cluster = new Cluster(dependencies, 'test');
        cluster.update(config, none);
        return cluster;
      });
      collect();
      const grown = process.memoryUsage().heapUsed - before;
      assert.equal(clusters.length, count);
      return grown / count;
    };
    bytesEach(100);
    const bytes = bytesEach(4000);
    assert.ok(bytes <= 1024, `${bytes} bytes`);
  });
});
