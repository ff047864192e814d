import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { systemClock, seededRandom } from '../../../../src/base/runtime.ts';
import { consulControlPlane, type ConsulOptions } from '../../../../src/control-plane/consul/index.ts';
import type { Demand } from '../../../../src/model/contracts.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';
import { entry, startFakeConsul, type FakeConsul } from './fake-consul.ts';

const authority = (host: string, port = 80): Demand => ({ kind: 'authority', host, port });
const never = new AbortController().signal;

/** Runs a control plane against the fake until the test is over. */
async function withControlPlane(
  test: (parts: {
    consul: FakeConsul;
    sink: RecordingSink;
    demand: (want: Demand, until?: AbortSignal) => void;
  }) => Promise<void>,
  options: ConsulOptions = {},
): Promise<void> {
  await using consul = await startFakeConsul();
  const plane = consulControlPlane({ address: consul.origin, ...options }, {});
  const sink = new RecordingSink();
  const stop = new AbortController();
  const run = plane.run({ sink, clock: systemClock, random: seededRandom(1), signal: stop.signal });
  try {
    await test({ consul, sink, demand: (want, until = never) => plane.demand?.(want, until) });
  } finally {
    stop.abort();
    await run;
  }
}

describe('consulControlPlane', () => {
  it('shows that it is connected before anything was asked for', () =>
    withControlPlane(async ({ consul, sink }) => {
      await sink.until(({ statuses }) => statuses.at(-1)?.state === 'connected');
      assert.equal(consul.received.length, 0);
    }));

  it('answers a demand with a listener, a route, a cluster and its endpoints in one update', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      demand(authority('orders'));
      (await consul.next()).answer([entry(1)], 7);
      const update = await sink.until(({ updates }) => updates[0]);
      assert.equal(update.version, '7');
      assert.deepEqual(
        update.set.map(({ kind, name }) => `${kind} ${name}`),
        ['listener consul', 'route-table consul', 'cluster orders', 'endpoints orders'],
      );
      assert.deepEqual(sink.absents, []);
    }));

  it('sends only endpoints when only instances changed', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      demand(authority('orders'));
      (await consul.next()).answer([entry(1)], 7);
      (await consul.next()).answer([entry(1), entry(2)], 8);
      const update = await sink.until(({ updates }) => updates[1]);
      assert.deepEqual(
        update.set.map(({ kind, name }) => `${kind} ${name}`),
        ['endpoints orders'],
      );
    }));

  it('watches a service once, however many ask and however they spell it', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      for (let count = 0; count < 100; count++)
        demand(authority(count % 2 === 0 ? 'orders' : 'orders.service.consul', 80 + count));
      demand({ kind: 'cluster', name: 'orders' });
      (await consul.next()).answer([entry(1)], 7);
      await sink.until(({ updates }) => updates[0]);
      assert.equal((await consul.next()).parameters.get('index'), '7');
      assert.equal(consul.received.length, 2);
    }));

  it('puts the answers of many services into few updates of the route table', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      for (let number = 0; number < 50; number++) demand(authority(`s${number}`));
      for (let number = 0; number < 50; number++) void consul.next().then((query) => query.answer([entry(1)], 7));
      await sink.until(() =>
        Array.from({ length: 50 }, (_, number) => sink.endpoints(`s${number}`)).every((found) => found !== undefined),
      );
      const table = sink.updates.flatMap(({ set }) => set.filter(({ kind }) => kind === 'route-table')).at(-1);
      assert.ok(table?.kind === 'route-table');
      assert.equal(table.value.virtualHosts.length, 50);
    }));

  it('takes demands that come before it runs', async () => {
    await using consul = await startFakeConsul();
    const plane = consulControlPlane({ address: consul.origin }, {});
    plane.demand?.(authority('orders'), never);
    const sink = new RecordingSink();
    const stop = new AbortController();
    const run = plane.run({ sink, clock: systemClock, random: seededRandom(1), signal: stop.signal });
    (await consul.next()).answer([entry(1)], 7);
    await sink.until(() => sink.endpoints('orders'));
    stop.abort();
    await run;
  });

  it('says at once, without asking Consul, that a host is not its own', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      const want = authority('api.example.org');
      demand(want);
      assert.equal(sink.absents.length, 0); // never within the call
      const { want: answered, reason } = await sink.until(({ absents }) => absents[0]);
      assert.equal(answered, want);
      assert.match(reason, /<service>\.service\.consul/);
      assert.equal(consul.received.length, 0);
    }));

  it('answers every demand for a service that does not exist, the later ones too, and finds it when it comes', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      demand(authority('orders'));
      demand(authority('orders', 8080));
      (await consul.next()).answer([], 7);
      await sink.until(({ absents }) => absents.length === 2);
      demand(authority('orders', 9090));
      await sink.until(({ absents }) => absents.length === 3);
      (await consul.next()).answer([entry(1)], 8);
      await sink.until(() => sink.endpoints('orders')?.length === 1);
    }));

  it('answers a demand for a service that was delivered before', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      demand(authority('orders'));
      (await consul.next()).answer([entry(1)], 7);
      await sink.until(({ updates }) => updates[0]);
      demand(authority('orders.service.consul'));
      const update = await sink.until(({ updates }) => updates[1]);
      assert.deepEqual(
        update.set.map(({ kind }) => kind),
        ['listener', 'route-table', 'cluster', 'endpoints'],
      );
    }));

  it('stops watching when the last demand is over, and takes the service back', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      const [first, second] = [new AbortController(), new AbortController()];
      const want = authority('orders');
      demand(want, first.signal);
      demand(want, second.signal);
      (await consul.next()).answer([entry(1)], 7);
      await sink.until(() => sink.endpoints('orders'));
      const blocking = await consul.next();
      first.abort();
      second.abort();
      await blocking.closed;
      const update = await sink.until(({ updates }) => updates.find(({ remove }) => remove.length > 0));
      assert.deepEqual(update.remove, [
        { kind: 'cluster', name: 'orders' },
        { kind: 'endpoints', name: 'orders' },
      ]);
      assert.deepEqual(
        update.set.flatMap(({ kind, value }) => (kind === 'route-table' ? value.virtualHosts : [])),
        [],
      );
      demand(want);
      (await consul.next()).answer([entry(2)], 8);
      await sink.until(() => sink.endpoints('orders')?.[0]?.port === 2);
    }));

  it('goes on watching while one of two demands is left', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      const first = new AbortController();
      const want = authority('orders');
      demand(want, first.signal);
      demand(want);
      (await consul.next()).answer([entry(1)], 7);
      const blocking = await consul.next();
      first.abort();
      blocking.answer([entry(1), entry(2)], 8);
      await sink.until(() => sink.endpoints('orders')?.length === 2);
    }));

  it('stays connected when one of its services is refused, and names the trouble', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      demand(authority('orders'));
      (await consul.next()).answer([entry(1)], 7);
      await consul.next();
      demand(authority('billing'));
      (await consul.next()).refuse(403, 'Permission denied');
      const status = await sink.until(({ statuses }) => statuses.find(({ error }) => error !== undefined));
      assert.equal(status.state, 'connected');
      assert.match(status.error ?? '', /403 "Permission denied" to \/v1\/health\/service\/billing/);
    }));

  it('is disconnected when all of its services are in trouble, and keeps the last good instances', () =>
    withControlPlane(async ({ consul, sink, demand }) => {
      demand(authority('orders'));
      (await consul.next()).answer([entry(1)], 7);
      await sink.until(({ statuses }) => statuses.at(-1)?.state === 'connected');
      (await consul.next()).response.destroy();
      await sink.until(({ statuses }) => statuses.at(-1)?.state === 'disconnected');
      assert.equal(sink.endpoints('orders')?.length, 1);
      // The first back-off step is a second; nothing is gained by a virtual clock over real sockets.
      const query = await consul.next();
      assert.equal(query.parameters.get('index'), null);
      query.answer([entry(1)], 7);
      await sink.until(({ statuses }) => statuses.at(-1)?.state === 'connected');
    }));

  it('shows no token in anything that it says', () =>
    withControlPlane(
      async ({ consul, sink, demand }) => {
        demand(authority('orders'));
        const query = await consul.next();
        assert.equal(query.headers['x-consul-token'], 'hunter2');
        query.refuse(403, 'ACL not found');
        await sink.until(({ statuses }) => statuses.at(-1)?.state === 'disconnected');
        assert.ok(!inspect(sink, { depth: 20 }).includes('hunter2'));
      },
      { token: 'hunter2' },
    ));

  it('closes its connections when the mesh closes', async () => {
    await using consul = await startFakeConsul();
    const plane = consulControlPlane({ address: consul.origin }, {});
    const stop = new AbortController();
    const run = plane.run({ sink: new RecordingSink(), clock: systemClock, random: seededRandom(1), signal: stop.signal });
    plane.demand?.(authority('orders'), never);
    (await consul.next()).answer([entry(1)], 7);
    await consul.next();
    const stoppedMs = performance.now();
    stop.abort();
    await run;
    await consul.untilAlone();
    // Idle ones too, which would close by themselves after four seconds.
    assert.ok(performance.now() - stoppedMs < 2000);
  });
});
