import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopWatch } from '../../../../src/base/loop-watch.ts';
import type { Clock } from '../../../../src/base/runtime.ts';
import type { Attempt } from '../../../../src/data-plane/attempt.ts';
import type { CallList } from '../../../../src/data-plane/call-list.ts';
import { PeerLatency } from '../../../../src/data-plane/resilience/peer-latency.ts';
import { silenceNats, SilenceWatch } from '../../../../src/data-plane/resilience/silence.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

/** A route whose answers took these times in turn. */
function answersOf(count: number, ...latencies: number[]): PeerLatency {
  const latency = new PeerLatency();
  for (let index = 0; index < count; index++) latency.record({ number: index % 5 }, latencies[index % latencies.length]!, 0);
  return latency;
}

interface FakeHost {
  readonly address: string;
  lastHeardMs: number;
  out: 'outlier' | undefined;
  readonly isRemoved: boolean;
}

interface WorldOptions {
  readonly hasCusum?: boolean;
  readonly others?: readonly number[];
  readonly afterReading?: Clock['afterReading'];
}

const lively: readonly number[] = Array<number>(10).fill(Number.POSITIVE_INFINITY);

/** A cluster that hears of silences, and requests that wait at its hosts. `others` were heard last at these times; ten answer always. */
function world(latency: PeerLatency, { hasCusum = true, others = lively, afterReading }: WorldOptions = {}) {
  // Its peers answer all the time, unless a test says otherwise.
  latency.answeredUntilMs = Number.POSITIVE_INFINITY;
  const virtual = createVirtualClock();
  let stoodMs = 0;
  const clock = { ...virtual, now: () => virtual.now() + stoodMs, ...(afterReading && { afterReading }) };
  const stand = (ms: number): void => void (stoodMs += ms);
  const loop = new LoopWatch();
  const told: (readonly [atMs: number, address: string, nats: number])[] = [];
  const cluster = {
    config: { outlierDetection: hasCusum ? { cusum: {} } : {} },
    hosts: others.map((lastHeardMs) => ({ lastHeardMs, out: undefined })),
    detection: {
      recordSilence: (host: FakeHost, nats: number, now: number) =>
        void told.push([now, host.address, Math.round(nats * 10) / 10]),
      evidenceOf: () => undefined,
    },
  };
  let first: Record<string, unknown> | undefined;
  const calls = {
    get first() {
      return first;
    },
  };
  const silence = new SilenceWatch(clock, loop, calls as unknown as CallList);
  const host = (address = 'a'): FakeHost => ({ address, lastHeardMs: 0.1, out: undefined, isRemoved: false });
  const attempt = (at: FakeHost | undefined, method = 'GET') => {
    const made = {
      host: at,
      cluster,
      destination: { latency, subset: '' },
      number: 1,
      startMs: clock.now(),
      sentMs: clock.now(),
      awaitsHead: true,
      wasSent: true,
      call: {
        options: { method, headers: {} },
        retry: { maxAttempts: 2, on: ['reset'] },
        plan: undefined,
        winner: undefined,
        current: undefined as unknown,
        next: first,
        openAttempts: () => [made],
        isDecided: false,
        retries: { isWaiting: true },
      },
    };
    made.call.current = made;
    return made;
  };
  /** Sends a request to this host; returns what ends its wait. */
  const send = (at: FakeHost) => {
    const made = attempt(at);
    if (!silence.isCalm) silence.onSend({ ...made, destination: { latency, subset: 'elsewhere' } } as unknown as Attempt);
    first = made.call as never;
    return {
      answer(): void {
        made.awaitsHead = false;
        at.lastHeardMs = clock.now();
      },
      /** Its response has begun, and goes on. */
      stream(): void {
        this.answer();
        made.call.winner = made as never;
      },
      giveUp(): void {
        silence.onAbandoned(made as unknown as Attempt);
        made.awaitsHead = false;
      },
    };
  };
  const clear = (): void => {
    first = undefined;
  };
  return { clock, loop, stand, silence, told, host, send, clear, attempt };
}

describe('silenceNats', () => {
  const latency = answersOf(2000, 5, 6, 7, 8);
  const rows = [
    { name: 'just-sent', heardMs: 0, ageMs: 1, expected: 0 },
    { name: 'later-than-half', heardMs: 0, ageMs: 7, expected: Math.log(0.1 + 0.9 * 2) },
    { name: 'later-than-all', heardMs: 0, ageMs: 100, expected: 5 },
    { name: 'heard-at-that-age-already', heardMs: 100, ageMs: 10_000, expected: 0 },
    { name: 'heard-halfway', heardMs: 7, ageMs: 7.4, expected: 0 },
  ];
  for (const { name, heardMs, ageMs, expected } of rows)
    it(name, () => {
      const nats = silenceNats(latency, heardMs, ageMs);
      assert.ok(Math.abs(nats - expected) < 0.01, String(nats));
    });

  it('says nothing on a route with few answers', () => assert.equal(silenceNats(answersOf(99, 5), 0, 10_000), 0));

  it('says nothing where answers take that long', () => {
    const slow = answersOf(2000, 30_000);
    assert.equal(silenceNats(slow, 0, 20_000), 0);
  });
});

describe('SilenceWatch', () => {
  it('tells of a host that has been silent for 500 ms, each 50 ms, and of its end', async () => {
    const { clock, told, host, send } = world(answersOf(2000, 5));
    await clock.advance(1000);
    const one = host();
    const waits = [send(one), send(one), send(one), send(one)];
    await clock.advance(499);
    assert.deepEqual(told, []);
    await clock.advance(51);
    assert.deepEqual(told, [
      [1500, 'a', 20],
      [1550, 'a', 20],
    ]);
    waits[0]!.answer();
    await clock.advance(100);
    assert.deepEqual(told.slice(2), [[1600, 'a', 0]]);
  });

  it('runs while calls are open, and ends with them', async () => {
    const { clock, silence, host, send, clear } = world(answersOf(2000, 5));
    const one = send(host());
    assert.equal(silence.isCalm, true);
    one.answer();
    clear();
    await clock.advance(50);
    assert.equal(silence.isCalm, false);
  });

  it('says nothing of long polls at a host that answers others', async () => {
    const { clock, told, host, send } = world(answersOf(2000, 5));
    const one = host();
    for (let poll = 0; poll < 10; poll++) send(one);
    for (let time = 0; time < 100; time++) {
      send(one).answer();
      await clock.advance(95);
    }
    assert.deepEqual(told, []);
  });

  it('goes on from what is known when a host that answered falls silent: old requests say nothing, new ones do', async () => {
    const { clock, told, host, send } = world(answersOf(2000, 5));
    const one = host();
    for (let poll = 0; poll < 10; poll++) send(one);
    await clock.advance(1000);
    told.length = 0;
    send(one).answer();
    send(one);
    await clock.advance(600);
    assert.deepEqual(
      told.map(([, , nats]) => nats),
      [0, 5, 5, 5],
    );
  });

  it('does not let two requests say more than 10 nats, however long they wait', async () => {
    const { clock, told, host, send } = world(answersOf(16_000, 5));
    const one = host();
    send(one);
    send(one);
    await clock.advance(60_000);
    assert.equal(Math.max(...told.map(([, , nats]) => nats)), 10);
  });

  it('counts requests that were given up until the host is heard', async () => {
    const { clock, told, host, send } = world(answersOf(2000, 5));
    const one = host();
    for (let request = 0; request < 6; request++) {
      const waits = send(one);
      await clock.advance(100);
      waits.giveUp();
    }
    const last = send(one);
    await clock.advance(50);
    assert.deepEqual(told.at(-1)?.[2], 35);
    last.answer();
    await clock.advance(50);
    assert.deepEqual(told.at(-1)?.[2], 0);
    send(one);
    await clock.advance(550);
    assert.deepEqual(told.at(-1)?.[2], 5);
  });

  it('forgets requests that were given up long ago', async () => {
    const { clock, told, host, send } = world(answersOf(2000, 5));
    const one = host();
    const waits = send(one);
    await clock.advance(600);
    waits.giveUp();
    await clock.advance(10_500);
    assert.equal(told.at(-1)?.[2], 0);
  });

  it('does not count time in which this process stood still, and goes on after it', async () => {
    const { clock, stand, told, host, send } = world(answersOf(2000, 5));
    const one = host();
    for (let request = 0; request < 5; request++) send(one);
    await clock.advance(60);
    stand(2000);
    await clock.advance(400);
    assert.deepEqual(told, []);
    await clock.advance(200);
    assert.equal(told.at(-1)?.[2], 25);
  });

  it('looks although this process stands still before each look', async () => {
    const { clock, loop, stand, told, host, send } = world(answersOf(2000, 5));
    const one = host();
    for (let request = 0; request < 5; request++) send(one);
    for (let turn = 0; turn < 30; turn++) {
      // Other hosts answer meanwhile.
      for (let answer = 0; answer < 8; answer++) {
        await clock.advance(5);
        loop.touch(clock.now());
      }
      stand(40);
      loop.touch(clock.now());
    }
    assert.equal(told.at(-1)?.[2], 25);
  });

  it('rests while all that is open has its response, and goes on with the next request', async () => {
    const { clock, silence, told, host, send } = world(answersOf(2000, 5));
    const one = host();
    const streams = send(one);
    assert.equal(silence.isCalm, true);
    await clock.advance(60);
    assert.equal(silence.isCalm, true, 'it looks');
    streams.stream();
    await clock.advance(50);
    assert.equal(silence.isCalm, false, 'it wants to hear of the next one');
    for (let request = 0; request < 5; request++) send(one);
    await clock.advance(600);
    assert.equal(told.at(-1)?.[2], 25);
  });

  it('looks as soon as the sockets are read after this process stood still', async () => {
    const reading: (() => void)[] = [];
    const afterReading = (callback: () => void) => {
      reading.push(callback);
      return { cancel() {} };
    };
    const { clock, stand, told, host, send } = world(answersOf(2000, 5), { afterReading });
    const one = host();
    for (let request = 0; request < 5; request++) send(one);
    await clock.advance(600);
    const before = told.length;
    stand(40);
    await clock.advance(50);
    assert.equal(told.length, before);
    reading[0]!();
    assert.equal(told.length, before + 1);
  });

  it('has the next request go to a host that is silent, one for each look', async () => {
    const { clock, silence, host, send, attempt } = world(answersOf(2000, 5));
    await clock.advance(1000);
    const one = host();
    send(one);
    await clock.advance(150);
    const again = attempt(undefined);
    assert.equal(silence.onSend(again as unknown as Attempt), true);
    assert.equal(again.host, one);
    assert.equal(silence.onSend(attempt(undefined) as unknown as Attempt), false);
    await clock.advance(50);
    assert.equal(silence.onSend(attempt(undefined) as unknown as Attempt), true);
  });

  it('asks with nothing that may not be repeated, and not where nobody listens', async () => {
    const { clock, silence, host, send, attempt } = world(answersOf(2000, 5));
    send(host());
    await clock.advance(150);
    assert.equal(silence.onSend(attempt(undefined, 'POST') as unknown as Attempt), false);
    assert.equal(silence.onSend(attempt(undefined, 'GET') as unknown as Attempt), true);
    const deaf = world(answersOf(2000, 5), { hasCusum: false });
    deaf.send(deaf.host());
    await deaf.clock.advance(150);
    assert.equal(deaf.silence.onSend(deaf.attempt(undefined) as unknown as Attempt), false);
  });

  it('asks a host with long polls all the same, twice', async () => {
    const { clock, silence, host, send, attempt } = world(answersOf(2000, 5));
    const one = host();
    for (let poll = 0; poll < 6; poll++) send(one);
    const asked: boolean[] = [];
    for (let look = 0; look < 4; look++) {
      await clock.advance(look === 0 ? 150 : 50);
      asked.push(silence.onSend(attempt(undefined) as unknown as Attempt));
    }
    assert.deepEqual(asked, [true, true, false, false]);
  });

  it('believes what a request says only when a later one of its route was answered', async () => {
    const latency = answersOf(2000, 5);
    const { clock, told, host, send } = world(latency);
    await clock.advance(1000);
    latency.answeredUntilMs = 1000;
    const one = host();
    send(one).giveUp();
    for (let request = 0; request < 4; request++) send(one);
    await clock.advance(1000);
    assert.deepEqual(told, []);
    latency.record({ number: 2 }, 5, 1006);
    await clock.advance(50);
    assert.deepEqual(told.at(-1), [2050, 'a', 20]);
  });

  it('blames no host for a time in which most of them are silent, nor for what was lost in it', async () => {
    const { clock, told, host, send, silence, attempt } = world(answersOf(2000, 5), { others: [] });
    const hosts = ['a', 'b', 'c', 'd'].map(host);
    const lost = attempt(hosts[0]);
    const last = hosts.map((each) => {
      for (let request = 0; request < 4; request++) send(each);
      return send(each);
    });
    await clock.advance(5000);
    assert.equal(told.length, 0);
    for (const [index, wait] of last.entries()) if (index > 0) wait.answer();
    await clock.advance(2000);
    assert.equal(told.length, 0);
    assert.equal(silence.wasInTheDark(lost as unknown as Attempt), true);
    assert.equal(silence.wasInTheDark(attempt(hosts[0]) as unknown as Attempt), false);
    for (let request = 0; request < 4; request++) send(hosts[0]!);
    await clock.advance(600);
    assert.equal(told.at(-1)?.[2], 20);
  });

  const silentTogether: readonly { name: string; others: readonly number[]; isHeld: boolean }[] = [
    { name: 'one-that-is-not-asked-at-present', others: [900], isHeld: true },
    { name: 'one-that-answers', others: [Number.POSITIVE_INFINITY], isHeld: false },
    { name: 'one-that-answers-and-nine-that-are-not-asked', others: [1200, ...Array<number>(9).fill(900)], isHeld: false },
  ];
  for (const { name, others, isHeld } of silentTogether)
    it(`asks whether most are silent of those that are asked. Beside two: ${name}`, async () => {
      const { clock, told, host, send } = world(answersOf(2000, 5), { others: [...others] });
      await clock.advance(1000);
      for (const each of [host('a'), host('b')]) for (let request = 0; request < 4; request++) send(each);
      await clock.advance(2000);
      assert.equal(told.length === 0, isHeld);
    });
});
