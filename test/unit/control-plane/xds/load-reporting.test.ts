import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { reportLoad, type LoadReporting } from '../../../../src/control-plane/xds/load-reporting.ts';
import type { ControlPlaneStatus } from '../../../../src/model/contracts.ts';
import type { ClusterLoad, LocalityLoad } from '../../../../src/model/cluster-load.ts';
import { createVirtualClock, type VirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { GrpcError, openGrpc, type GrpcConnection } from '../../../../src/wire/grpc-client.ts';
import { startLrsServer, type LrsServer, type ReportedCluster } from '../../../support/lrs-server.ts';
import { eventually } from '../../../support/mesh-of.ts';

/** Counters as a mesh has them. */
class Loads {
  clusters: ClusterLoad[] = [];

  reads = 0;
  read = (): readonly ClusterLoad[] => {
    this.reads++;
    return structuredClone(this.clusters);
  };

  /** Adds to a locality of a cluster, which is made where it is not there. */
  add(cluster: string, zone: string, more: Partial<Omit<LocalityLoad, 'locality' | 'metrics'>>): void {
    let load = this.clusters.find((each) => each.cluster === cluster);
    if (load === undefined) this.clusters.push((load = { cluster, endpoints: `${cluster}-eds`, localities: [], drops: [] }));
    const localities = load.localities as LocalityLoad[];
    const found = localities.find(({ locality }) => locality.zone === zone);
    const before = found ?? { locality: { zone }, priority: 0, issued: 0, succeeded: 0, failed: 0, inProgress: 0, metrics: [] };
    const after = { ...before, inProgress: more.inProgress ?? before.inProgress, priority: more.priority ?? before.priority };
    const sums = {
      issued: before.issued + (more.issued ?? 0),
      succeeded: before.succeeded + (more.succeeded ?? 0),
      failed: before.failed + (more.failed ?? 0),
    };
    localities.splice(found === undefined ? localities.length : localities.indexOf(found), found === undefined ? 0 : 1, {
      ...after,
      ...sums,
    });
  }

  set(cluster: string, more: Partial<ClusterLoad>): void {
    this.clusters = this.clusters.map((load) => (load.cluster === cluster ? { ...load, ...more } : load));
  }
}

interface Reporting {
  readonly server: LrsServer;
  readonly loads: Loads;
  readonly clock: VirtualClock;
  readonly statuses: ControlPlaneStatus[];
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function reporting(more: Partial<LoadReporting> = {}, loads = new Loads()): Promise<Reporting> {
  const server = await startLrsServer();
  const clock = createVirtualClock();
  const stop = new AbortController();
  const statuses: ControlPlaneStatus[] = [];
  const done = reportLoad({
    connect: () => ({ connection: openGrpc({ address: server.address }), metadata: { authorization: 'Bearer t' } }),
    node: { id: 'web-1', features: ['a-feature'] },
    load: loads.read,
    clock,
    random: () => 0.5,
    signal: stop.signal,
    onStatus: (status) => statuses.push(status),
    ...more,
  });
  closing.push(() => {
    stop.abort();
    server.close();
  });
  await eventually('the first request is there', () => server.requests.length === 1);
  return { server, loads, clock, statuses, stop, done };
}

/** The reports of the next interval. */
async function nextReport({ server, clock }: Reporting, intervalMs = 1000): Promise<readonly ReportedCluster[]> {
  const before = server.requests.length;
  await clock.advance(intervalMs);
  await eventually('the report is there', () => server.requests.length > before);
  assert.equal(server.requests.length, before + 1);
  return server.requests.at(-1)!.clusters;
}

/** Answers, and waits until that is read: the counters are read with it. */
async function asked({ server, loads }: Reporting, response: Parameters<LrsServer['respond']>[0]): Promise<void> {
  const before = loads.reads;
  server.respond(response);
  await eventually('the response is read', () => loads.reads > before);
}

const row = (zone: string, [issued, succeeded, failed, inProgress]: readonly number[], priority = 0): object => ({
  zone,
  priority,
  issued,
  succeeded,
  failed,
  inProgress,
  metrics: {},
});

describe('load reporting', () => {
  it('begins with the node and the feature, and says nothing more before it is asked', async () => {
    const report = await reporting();
    const [first] = report.server.requests;
    assert.equal(first!.node!.id, 'web-1');
    assert.ok(first!.node!.features.includes('envoy.lrs.supports_send_all_clusters'));
    assert.ok(first!.node!.features.includes('a-feature'));
    assert.deepEqual(first!.clusters, []);
    await report.clock.advance(60_000);
    assert.equal(report.server.requests.length, 1);
  });

  it('reports every cluster that was listed, the first among them', async () => {
    const report = await reporting();
    await asked(report, { clusters: ['first', 'second'] });
    for (const cluster of ['first', 'second', 'third']) report.loads.add(cluster, 'a', { issued: 1, succeeded: 1 });
    const clusters = await nextReport(report);
    assert.deepEqual(
      clusters.map(({ cluster, endpoints }) => [cluster, endpoints]),
      [
        ['first', 'first-eds'],
        ['second', 'second-eds'],
      ],
    );
    assert.equal(report.server.requests.at(-1)!.node, undefined);
  });

  it('reports differences, by locality and priority, over the time that they took', async () => {
    const report = await reporting();
    report.loads.add('orders', 'a', { issued: 50, succeeded: 50 });
    await asked(report, { all: true, intervalMs: 2500 });
    report.loads.add('orders', 'a', { issued: 3, succeeded: 1, failed: 1, inProgress: 1 });
    report.loads.add('orders', 'b', { issued: 1, succeeded: 1, priority: 1 });
    const [orders] = await nextReport(report, 2500);
    assert.deepEqual(orders!.localities, [row('a', [3, 1, 1, 1]), row('b', [1, 1, 0, 0], 1)]);
    assert.equal(orders!.intervalMs, 2500);
    report.loads.add('orders', 'a', { succeeded: 1, inProgress: 0 });
    const [later] = await nextReport(report, 2500);
    assert.deepEqual(later!.localities, [row('a', [0, 1, 0, 0])]);
    assert.deepEqual(await nextReport(report, 2500), []);
  });

  it('reports drops by category, those of our own limits in the sum alone, and metrics', async () => {
    const report = await reporting();
    await asked(report, { all: true });
    report.loads.add('orders', 'a', { issued: 2, succeeded: 2 });
    const [load] = report.loads.clusters;
    const metrics = [
      { name: 'named_metrics.queue', count: 2, sum: 7.5 },
      { name: 'cpu_utilization', count: 2, sum: 0.75 },
    ];
    report.loads.set('orders', {
      drops: [
        { category: 'lb', count: 2 },
        { category: '', count: 3 },
      ],
      localities: [{ ...load!.localities[0]!, metrics }],
    });
    const [orders] = await nextReport(report);
    assert.equal(orders!.dropped, 5);
    assert.deepEqual(orders!.drops, { lb: 2 });
    assert.deepEqual(orders!.localities[0]!.metrics, { 'named_metrics.queue': [2, 7.5], 'field 12': [2, 0.75] });
    report.loads.set('orders', {
      drops: [
        { category: 'lb', count: 3 },
        { category: '', count: 3 },
      ],
    });
    const [later] = await nextReport(report);
    assert.deepEqual([later!.dropped, later!.drops, later!.localities], [1, { lb: 1 }, []]);
  });

  it('counts nothing for a cluster that was not wanted when it did it', async () => {
    const report = await reporting();
    await asked(report, { clusters: ['orders'] });
    report.loads.add('carts', 'a', { issued: 5, succeeded: 5 });
    await nextReport(report);
    await asked(report, { clusters: ['orders', 'carts'] });
    report.loads.add('carts', 'a', { issued: 1, succeeded: 1 });
    const [carts] = await nextReport(report);
    assert.deepEqual(carts!.localities, [row('a', [1, 1, 0, 0])]);
  });

  it('goes on over a stream that was lost, and counts what happened meanwhile', async () => {
    const report = await reporting();
    await asked(report, { all: true });
    report.loads.add('orders', 'a', { issued: 1, succeeded: 1 });
    await nextReport(report);
    report.loads.add('orders', 'a', { issued: 2, succeeded: 2 });
    report.server.fail(14, 'going away');
    await eventually('it is told', () => report.statuses.at(-1)?.state === 'disconnected');
    assert.match(report.statuses.at(-1)!.error!, /going away/);
    // The locality is gone before the next stream is there, and its last requests are still told.
    report.loads.add('orders', 'a', { issued: 4, succeeded: 4 });
    const before = report.server.requests.length;
    await report.clock.advance(1000);
    await eventually('it comes again', () => report.server.requests.length > before);
    assert.equal(report.server.requests.at(-1)!.node!.id, 'web-1');
    await asked(report, { all: true });
    report.loads.clusters = [];
    const [orders] = await nextReport(report);
    assert.deepEqual(orders!.localities, [row('a', [6, 6, 0, 0])]);
    assert.deepEqual(await nextReport(report), []);
  });

  it('waits longer after each failure, until a response comes', async () => {
    const clock = createVirtualClock();
    const startsMs: number[] = [];
    const connection: GrpcConnection = {
      unary: () => Promise.reject(new Error('not a unary call')),
      stream(_path, listener) {
        startsMs.push(Math.round(clock.now()));
        queueMicrotask(() => {
          if (startsMs.length === 3) listener.onMessage(new Uint8Array());
          listener.onEnd(new GrpcError(14, 'down'));
        });
        return { send() {}, end() {}, pause() {}, resume() {}, cancel() {} };
      },
      close() {},
    };
    const { signal } = new AbortController();
    void reportLoad({ connect: () => ({ connection }), node: { id: 'web-1' }, load: () => [], clock, random: () => 0.5, signal });
    await clock.advance(8000);
    // 1000 and 1600 ms; the third was answered, so 1000, 1600 and 2560 again.
    assert.deepEqual(startsMs, [0, 1000, 2600, 3600, 5200, 7760]);
  });

  it('survives a message that cannot be read, and says so', async () => {
    const report = await reporting();
    await asked(report, { all: true });
    report.server.respond(Buffer.from([0xff, 0xff]));
    await eventually('it is told', () => report.statuses.at(-1)?.error !== undefined);
    assert.match(report.statuses.at(-1)!.error!, /cannot be read/);
    report.loads.add('orders', 'a', { issued: 1, succeeded: 1 });
    assert.equal((await nextReport(report)).length, 1);
  });

  it('says that reports of endpoints are not made', async () => {
    const report = await reporting();
    await asked(report, { all: true, endpoints: true });
    await eventually('it is told', () => report.statuses.at(-1)?.state === 'connected');
    assert.match(report.statuses.at(-1)!.error!, /each endpoint/);
  });

  it('reports once a second at most', async () => {
    const report = await reporting();
    await asked(report, { all: true, intervalMs: 1 });
    await report.clock.advance(999);
    assert.equal(report.server.requests.length, 1);
    await nextReport(report, 1);
  });

  it('is not put off by a server that repeats itself', async () => {
    const report = await reporting();
    await asked(report, { all: true, intervalMs: 1000 });
    await report.clock.advance(600);
    await asked(report, { all: true, intervalMs: 1000 });
    await nextReport(report, 400);
  });

  it('sends its credentials with each stream, and ends with its signal', async () => {
    const report = await reporting();
    assert.equal(report.server.requests[0]!.authorization, 'Bearer t');
    report.stop.abort();
    await report.done;
    await eventually('the stream is closed', () => report.server.streams() === 0);
  });
});
