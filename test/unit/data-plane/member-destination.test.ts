import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Attempt } from '../../../src/data-plane/attempt.ts';
import type { Cluster } from '../../../src/data-plane/cluster/cluster.ts';
import { recordHead } from '../../../src/data-plane/cluster/record-outcome.ts';
import type { Call } from '../../../src/data-plane/outbound.ts';
import { RouteLatencies } from '../../../src/data-plane/resilience/route-latencies.ts';

/** A cluster whose answers nobody judges, and its only host. */
function clusterOf() {
  const host = { recordLatency() {}, lastHeardMs: 0, record: undefined, observer: undefined, number: 0 };
  const cluster = { latencies: new RouteLatencies(), detection: { recordLatency() {} } } as unknown as Cluster;
  return { host, cluster };
}

describe('the times of answers', () => {
  it('are those of one member of an aggregate, and not of the member that served before', () => {
    const near = clusterOf();
    const far = clusterOf();
    const aggregate = {} as Cluster;
    const destination = { slot: { cluster: aggregate }, subset: '', latency: undefined };
    const answer = ({ host, cluster }: ReturnType<typeof clusterOf>, elapsedMs: number) => {
      const context = { clock: { now: () => elapsedMs }, loop: { touch() {}, stalledMs: () => 0 } };
      const call = { destination, context, route: { name: 'all' } } as unknown as Call;
      const attempt = new Attempt(call, 1, cluster);
      attempt.startMs = 0;
      attempt.host = host as never;
      recordHead(attempt, {});
      return attempt.destination.latency!;
    };
    for (let request = 0; request < 200; request++) answer(near, 5);
    for (let request = 0; request < 200; request++) answer(far, 80);
    assert.ok(answer(near, 5).survival(40) < 0.05);
    assert.ok(answer(far, 80).survival(40) > 0.95);
  });

  it('are kept with the destination itself where its cluster is no aggregate', () => {
    const { cluster } = clusterOf();
    const destination = { slot: { cluster }, subset: '', latency: undefined };
    assert.equal(new Attempt({ destination } as unknown as Call, 1, cluster).destination, destination);
  });
});
