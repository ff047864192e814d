import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConsulClient, HealthAnswer, HealthQuery } from '../../../../src/control-plane/consul/client.ts';
import { consulSettings, type ConsulOptions } from '../../../../src/control-plane/consul/options.ts';
import { PollShare } from '../../../../src/control-plane/consul/poll-share.ts';
import { ServiceWatch } from '../../../../src/control-plane/consul/service-watch.ts';
import { runWatch } from '../../../../src/control-plane/watch.ts';
import type { ControlPlaneStatus } from '../../../../src/model/contracts.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { entry } from './fake-consul.ts';

interface Asked extends HealthQuery {
  readonly atMs: number;
  /** Answers; index 9 unless said otherwise. */
  readonly answer: (body: unknown, more?: Partial<Omit<HealthAnswer, 'body'>>) => Promise<void>;
  readonly fail: (error: Error) => Promise<void>;
}

/** A watch of `orders` in virtual time; the test plays Consul. What was delivered is written as ports, `[]`, or `absent: …`. */
function startWatch(options: ConsulOptions = {}, share = new PollShare(100)) {
  const clock = createVirtualClock();
  const stop = new AbortController();
  const asked: Asked[] = [];
  const delivered: (readonly number[] | string)[] = [];
  const statuses: ControlPlaneStatus[] = [];
  const client: ConsulClient = {
    health(query, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<HealthAnswer>();
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      asked.push({
        ...query,
        atMs: Math.round(clock.now()),
        answer(body, more = {}) {
          resolve({ index: 9n, knownLeader: true, filteredByAcl: false, defaultPolicy: undefined, ...more, body });
          return clock.advance(0);
        },
        fail(error) {
          reject(error);
          return clock.advance(0);
        },
      });
      return promise;
    },
    leader: () => Promise.resolve('here'),
    close: () => Promise.resolve(),
  };
  const watch = new ServiceWatch({
    client,
    settings: consulSettings(options, {}),
    target: { service: 'orders' },
    share,
    clock,
    listener: {
      instances: ({ endpoints }) =>
        delivered.push(endpoints.localities.flatMap((locality) => locality.endpoints.map(({ port }) => port))),
      absent: (reason) => delivered.push(`absent: ${reason}`),
    },
  });
  void runWatch({
    clock,
    random: () => 0.5,
    signal: stop.signal,
    connect: (session) => watch.connect(session),
    onStatus: (status) => statuses.push(status),
  });
  const latest = (): Asked => {
    const query = asked.at(-1);
    assert.ok(query);
    return query;
  };
  return { clock, stop, asked, delivered, statuses, latest };
}

/** A watch that has delivered port 1 at index 9 and now blocks. */
async function startedWatch(options: ConsulOptions = {}, share?: PollShare) {
  const watch = startWatch(options, share);
  await watch.latest().answer([entry(1)]);
  await watch.clock.advance(200);
  assert.equal(watch.latest().index, 9n);
  return watch;
}

describe('a watch of a Consul service', () => {
  it('asks at once first, then blocks from the index of the answer on', async () => {
    const watch = startWatch();
    assert.equal(watch.latest().index, 0n);
    await watch.latest().answer([entry(2), entry(1)], { index: 9n });
    assert.deepEqual(watch.delivered, [[1, 2]]);
    await watch.clock.advance(200);
    assert.equal(watch.latest().index, 9n);
    assert.equal(watch.latest().waitMs, 300_000);
    await watch.latest().answer([entry(1)], { index: 10n });
    assert.deepEqual(watch.delivered, [[1, 2], [1]]);
  });

  it('delivers nothing when the wait was over and nothing changed', async () => {
    const watch = await startedWatch();
    await watch.clock.advance(300_000);
    await watch.latest().answer([entry(1)]);
    assert.deepEqual(watch.delivered, [[1]]);
    assert.equal(watch.asked.length, 3);
  });

  it('delivers nothing when only an index or the order changed', async () => {
    const watch = startWatch();
    await watch.latest().answer([entry(1), entry(2)], { index: 9n });
    await watch.clock.advance(200);
    await watch.latest().answer([entry(2), entry(1)], { index: 12n });
    assert.deepEqual(watch.delivered, [[1, 2]]);
  });

  it('asks a service that changes all the time five times a second', async () => {
    const watch = startWatch();
    for (let index = 1n; index <= 5n; index++) {
      await watch.latest().answer([entry(Number(index))], { index });
      await watch.clock.advance(200);
    }
    assert.deepEqual(
      watch.asked.map(({ atMs }) => atMs),
      [0, 200, 400, 600, 800, 1000],
    );
  });

  it('asks once a second when something in between does not let queries block', async () => {
    const watch = await startedWatch();
    for (let round = 0; round < 3; round++) {
      await watch.latest().answer([entry(1)], { index: 9n });
      await watch.clock.advance(1000);
    }
    assert.deepEqual(
      watch.asked.map(({ atMs }) => atMs),
      [0, 200, 1200, 2200, 3200],
    );
  });

  it('asks again from 0 when the index went back, without using that answer', async () => {
    const watch = await startedWatch();
    await watch.latest().answer([entry(7)], { index: 3n });
    assert.deepEqual(watch.delivered, [[1]]);
    assert.equal(watch.latest().index, 0n);
    await watch.latest().answer([entry(8)], { index: 4n });
    assert.deepEqual(watch.delivered, [[1], [8]]);
    await watch.clock.advance(200);
    assert.equal(watch.latest().index, 4n);
  });

  it('asks again from 0, a second later, when the index is 0', async () => {
    const watch = startWatch();
    await watch.latest().answer([entry(1)], { index: 0n });
    assert.deepEqual(watch.delivered, [[1]]);
    await watch.clock.advance(999);
    assert.equal(watch.asked.length, 1);
    await watch.clock.advance(1);
    assert.equal(watch.latest().index, 0n);
  });

  it('asks again from 0 after a broken connection, since a restarted agent would hold the old index', async () => {
    const watch = await startedWatch();
    await watch.latest().fail(new Error('socket closed'));
    assert.deepEqual(watch.statuses.at(-1), { state: 'disconnected', error: 'socket closed' });
    await watch.clock.advance(1000);
    assert.equal(watch.latest().index, 0n);
    assert.deepEqual(watch.delivered, [[1]]);
    await watch.latest().answer([entry(2)], { index: 2n });
    assert.deepEqual(watch.delivered, [[1], [2]]);
    assert.deepEqual(watch.statuses.at(-1), { state: 'connected' });
  });

  it('says that a service is absent, once, and finds it when it is registered', async () => {
    const watch = startWatch();
    await watch.latest().answer([]);
    await watch.clock.advance(200);
    await watch.latest().answer([], { index: 12n });
    assert.deepEqual(watch.delivered, ['absent: Consul at http://127.0.0.1:8500 has no service "orders"']);
    await watch.clock.advance(200);
    await watch.latest().answer([entry(1)], { index: 13n });
    assert.deepEqual(watch.delivered.at(-1), [1]);
  });

  it('says that ACLs may hide the service when they deny by default and there is no token', async () => {
    const watch = startWatch();
    await watch.latest().answer([], { defaultPolicy: 'deny' });
    assert.match(String(watch.delivered[0]), /or hides it: its ACLs deny by default and no token is given/);
    assert.match(watch.statuses.at(-1)?.error ?? '', /CONSUL_HTTP_TOKEN/);
  });

  it('knows a service whose instances are all critical, and delivers it empty', async () => {
    const watch = startWatch();
    await watch.latest().answer([entry(1, { status: 'critical' })]);
    assert.deepEqual(watch.delivered, [[]]);
  });

  it('empties a service at once when all of its instances are critical', async () => {
    const watch = await startedWatch();
    await watch.latest().answer([entry(1, { status: 'critical' })], { index: 10n });
    assert.deepEqual(watch.delivered, [[1], []]);
  });

  it('asks again from 0, at once, before an empty answer empties anything', async () => {
    const watch = await startedWatch();
    await watch.latest().answer([], { index: 11n });
    assert.deepEqual(watch.delivered, [[1]]);
    assert.equal(watch.latest().index, 0n);
    await watch.latest().answer([], { index: 11n });
    assert.deepEqual(watch.delivered, [[1], []]);
  });

  it('keeps the instances when the token was revoked, which the streaming backend answers with an empty list', async () => {
    const watch = await startedWatch({ token: 'x' });
    await watch.latest().answer([], { index: 1n });
    assert.equal(watch.latest().index, 0n);
    await watch.latest().fail(new Error('403 ACL not found'));
    assert.deepEqual(watch.delivered, [[1]]);
    assert.equal(watch.statuses.at(-1)?.state, 'disconnected');
  });

  it('keeps the instances, and says so, when ACLs hide all of them from the token', async () => {
    const watch = await startedWatch({ token: 'x' });
    await watch.latest().answer([], { index: 10n });
    await watch.latest().answer([], { index: 10n, filteredByAcl: true });
    assert.deepEqual(watch.delivered, [[1]]);
    assert.match(watch.statuses.at(-1)?.error ?? '', /hide the instances of "orders".*service:read/);
  });

  it('warns, in later answers too, when ACLs hide some of the instances', async () => {
    const watch = startWatch({ token: 'x' });
    await watch.latest().answer([entry(1)], { filteredByAcl: true });
    await watch.clock.advance(200);
    await watch.latest().answer([entry(2)], { index: 10n });
    const { state, error } = watch.statuses.at(-1) ?? {};
    assert.equal(state, 'connected');
    assert.match(error ?? '', /some instances of "orders" are hidden by ACLs/);
    assert.deepEqual(watch.delivered, [[1], [2]]);
  });

  it('keeps the instances while the servers have no leader', async () => {
    const watch = await startedWatch();
    await watch.latest().answer([], { index: 10n });
    await watch.latest().answer([], { index: 10n, knownLeader: false });
    assert.deepEqual(watch.delivered, [[1]]);
    assert.match(watch.statuses.at(-1)?.error ?? '', /no leader/);
  });

  it('keeps the instances for a minute when the servers lost their memory', async () => {
    const watch = await startedWatch();
    await watch.latest().fail(new Error('socket closed'));
    await watch.clock.advance(1000);
    await watch.latest().answer([], { index: 3n });
    assert.deepEqual(watch.delivered, [[1]]);
    assert.match(watch.statuses.at(-1)?.error ?? '', /lost its memory of "orders"/);
    await watch.clock.advance(200);
    assert.equal(watch.latest().index, 3n);
    assert.equal(watch.latest().waitMs, 59_800); // the minute began with the empty answer
    await watch.clock.advance(30_000);
    await watch.latest().answer([entry(5)], { index: 4n });
    assert.deepEqual(watch.delivered, [[1], [5]]);
    assert.deepEqual(watch.statuses.at(-1), { state: 'connected' });
  });

  it('believes after that minute that the instances are gone', async () => {
    const watch = await startedWatch();
    await watch.latest().fail(new Error('socket closed'));
    await watch.clock.advance(1000);
    await watch.latest().answer([], { index: 3n });
    await watch.clock.advance(60_000);
    await watch.latest().answer([], { index: 3n });
    await watch.latest().answer([], { index: 3n });
    assert.deepEqual(watch.delivered, [[1], []]);
    assert.deepEqual(watch.statuses.at(-1), { state: 'connected' });
  });

  it('keeps the last instances for good when it is told to', async () => {
    const watch = await startedWatch({ keepLastInstances: true });
    await watch.latest().answer([], { index: 10n });
    await watch.latest().answer([], { index: 10n });
    assert.deepEqual(watch.delivered, [[1]]);
    assert.match(watch.statuses.at(-1)?.error ?? '', /keepLastInstances/);
  });

  it('treats an answer that is no list as an error', async () => {
    const watch = await startedWatch();
    await watch.latest().answer({ error: 'x' }, { index: 10n });
    assert.deepEqual(watch.delivered, [[1]]);
    assert.match(watch.statuses.at(-1)?.error ?? '', /is no list/);
  });

  it('keeps the instances when none of the new ones can be used', async () => {
    const watch = await startedWatch();
    await watch.latest().answer([entry(0), null], { index: 10n });
    assert.deepEqual(watch.delivered, [[1]]);
    assert.match(
      watch.statuses.at(-1)?.error ?? '',
      /no instance of "orders" can be used \(\["orders-0"\]\.Service\.Port .*; the last ones stay/,
    );
    await watch.clock.advance(200);
    await watch.latest().answer([entry(0), entry(3)], { index: 11n });
    assert.deepEqual(watch.delivered, [[1], [3]]);
  });

  it('delivers a service empty at first when none of its instances can be used', async () => {
    const watch = startWatch();
    await watch.latest().answer([entry(0)]);
    assert.deepEqual(watch.delivered, [[]]);
  });

  it('asks again with a shorter wait when the connections ran out meanwhile', async () => {
    const share = new PollShare(1);
    share.join();
    const watch = await startedWatch({}, share);
    share.join();
    await watch.clock.advance(0);
    assert.equal(watch.latest().index, 9n);
    assert.equal(watch.latest().waitMs, 5000); // 10 s × 1 ÷ 2
    assert.equal(watch.statuses.at(-1)?.state, 'connected');
  });

  it('asks for the tags and the datacenter of the options', async () => {
    const watch = startWatch({ tags: ['v1'], datacenter: 'dc2' });
    assert.deepEqual(watch.latest().tags, ['v1']);
    assert.equal(watch.latest().datacenter, 'dc2');
    await watch.latest().answer([]);
    assert.match(String(watch.delivered[0]), /no service "orders" with tag "v1" in dc2$/);
  });

  it('delivers nothing after it was stopped, not even an answer that arrives at that moment', async () => {
    const watch = await startedWatch();
    const answered = watch.latest().answer([entry(2)], { index: 10n });
    watch.stop.abort();
    await answered;
    await watch.clock.advance(10_000);
    assert.deepEqual(watch.delivered, [[1]]);
    assert.equal(watch.asked.length, 2);
  });
});
