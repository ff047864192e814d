import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { subscribe as subscribeChannel, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, it } from 'node:test';
import { subscribe } from '../../../src/telemetry/channels.ts';
import { eventTable } from '../../../src/telemetry/event-table.ts';
import type { EventName, EventPayloads } from '../../../src/telemetry/events.ts';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { registerMetrics, registerTracing, unregister } from './open-telemetry.ts';
import { someAttempt, someRequest } from './some-request.ts';

const createSome = (): ReturnType<typeof createTelemetry> => createTelemetry({ meshName: 'web', clock: createVirtualClock() });

/** Collects the events of these names until the test ends. */
function collect<N extends EventName>(...names: N[]): { readonly events: EventPayloads[N][]; readonly end: () => void } {
  const events: EventPayloads[N][] = [];
  const ends = names.map((name) => subscribe(name, (event) => events.push(event)));
  return {
    events,
    end() {
      for (const end of ends) end();
    },
  };
}

const ejection = {
  cluster: 'orders/v2',
  endpoint: '192.0.2.7:7002',
  reason: 'consecutive-5xx',
  ejectionMs: 30_000,
  ejectedHosts: 1,
  totalHosts: 3,
};

describe('the events of a request', () => {
  afterEach(unregister);

  it('tell of every attempt, every retry and the end, with one number for all', () => {
    const attempts = collect('attempt:end');
    const retries = collect('retry:scheduled');
    const ends = collect('request:end');
    const request = createSome().startRequest(someRequest(), 100)!;
    request.routed('v2', 'orders/v2', '7');
    // The digits below a microsecond are of the clock, and nobody's time.
    const failed = request.startAttempt(someAttempt(1), 101.000_000_03);
    failed.end({ kind: 'retried', error: 'MESH_RESET', reason: 'other side closed' }, 105.000_400_01);
    request.retryScheduled({
      retry: 1,
      maxRetries: 2,
      reason: 'reset',
      delayMs: 13.000_04,
      budgetLeft: 9.1,
      error: 'MESH_RESET',
    });
    const second = request.startAttempt(someAttempt(2, { endpoint: '192.0.2.8:7002' }), 118);
    second.end({ kind: 'delivered', status: 200, protocol: '2' }, 130);
    request.end({ status: 200 }, 131);
    for (const { end } of [attempts, retries, ends]) end();

    const common = {
      mesh: 'web',
      request: 1,
      method: 'GET',
      scheme: 'http',
      host: 'orders',
      port: 80,
      path: '/api/42',
      route: 'v2',
      cluster: 'orders/v2',
    };
    const first = { ...common, endpoint: '192.0.2.7:7002', status: undefined, error: 'MESH_RESET' };
    const last = { ...common, endpoint: '192.0.2.8:7002', status: 200, error: undefined };
    assert.deepEqual(attempts.events, [
      { ...first, attempt: 1, outcome: 'retried', reason: 'other side closed', protocol: undefined, durationMs: 4 },
      { ...last, attempt: 2, outcome: 'delivered', reason: undefined, protocol: '2', durationMs: 12 },
    ]);
    assert.deepEqual(retries.events, [{ ...first, retry: 1, maxRetries: 2, reason: 'reset', delayMs: 13, budgetLeft: 9.1 }]);
    assert.deepEqual(ends.events, [
      {
        ...last,
        flags: '-',
        details: 'via_upstream',
        attempts: [
          { number: 1, endpoint: '192.0.2.7:7002', startMs: 1, durationMs: 4, error: 'MESH_RESET', reason: 'other side closed' },
          { number: 2, endpoint: '192.0.2.8:7002', startMs: 18, durationMs: 12, status: 200 },
        ],
        durationMs: 31,
        configVersion: '7',
        traceId: undefined,
        grpcStatus: undefined,
      },
    ]);
  });

  it('have exactly the fields of the table', () => {
    const names = ['request:end', 'attempt:end', 'retry:scheduled', 'retry:denied'] as const;
    const seen = new Map<string, readonly string[]>();
    const ends = names.map((name) => subscribe(name, (event) => seen.set(name, Object.keys(event).sort())));
    const request = createSome().startRequest(someRequest(), 0)!;
    request.startAttempt(someAttempt(1), 0).end({ kind: 'retried', status: 503 }, 1);
    request.retryScheduled({ retry: 1, maxRetries: 1, reason: '5xx', delayMs: 1 });
    request.retryDenied('attempts');
    request.end({ status: 503 }, 1);
    for (const end of ends) end();
    for (const name of names) assert.deepEqual(seen.get(name), Object.keys(eventTable[name].fields).sort(), name);
  });

  it('say why a retry was not made', () => {
    const { events, end } = collect('retry:denied');
    const request = createSome().startRequest(someRequest(), 0)!;
    request.retryDenied('budget', 0, 503);
    end();
    assert.equal(events[0]!.reason, 'budget');
    assert.equal(events[0]!.budgetLeft, 0);
    assert.equal(events[0]!.status, 503);
  });

  it('name the trace when a tracer is registered', () => {
    const finished = registerTracing();
    const { events, end } = collect('request:end');
    createSome().startRequest(someRequest(), 0)!.end({ status: 200 }, 1);
    end();
    assert.equal(events[0]!.traceId, finished()[0]!.spanContext().traceId);
  });

  it('never carry the query', () => {
    const texts: string[] = [];
    const names = ['request:end', 'attempt:end', 'retry:scheduled', 'retry:denied'] as const;
    const ends = names.map((name) => subscribe(name, (event) => texts.push(JSON.stringify(event))));
    const request = createSome().startRequest(someRequest({ path: '/a?x=canary' }), 0)!;
    request.startAttempt(someAttempt(1), 0).end({ kind: 'failed', error: 'MESH_RESET' }, 1);
    request.retryScheduled({ retry: 1, maxRetries: 1, reason: 'reset', delayMs: 1 });
    request.retryDenied('method');
    request.end({ error: 'MESH_RESET' }, 1);
    for (const end of ends) end();
    assert.equal(texts.length, 4);
    assert.ok(!texts.join('').includes('canary'));
  });
});

describe('publish', () => {
  afterEach(unregister);

  it('adds the name of the mesh and reaches the channel meshfetch:<area>:<what>', () => {
    const messages: unknown[] = [];
    const onMessage = (message: unknown): void => void messages.push(message);
    subscribeChannel('meshfetch:host:ejected', onMessage);
    createSome().publish('host:ejected', () => ejection);
    unsubscribe('meshfetch:host:ejected', onMessage);
    assert.deepEqual(messages, [{ mesh: 'web', ...ejection }]);
  });

  it('does not build what nobody wants', () => {
    const telemetry = createSome();
    const refuse = (): never => assert.fail('was built');
    telemetry.publish('host:ejected', refuse);
    telemetry.publish('connection:opened', refuse);
    registerMetrics();
    telemetry.publish('connection:opened', refuse);
    assert.throws(() => telemetry.publish('host:ejected', refuse), /was built/);
  });

  it('survives a subscriber that throws: the request goes on, and Node reports the error as uncaught', () => {
    // In a process of its own, because the test runner has the uncaught exceptions of this one.
    const source = (path: string): string => JSON.stringify(new URL(`../../../src/telemetry/${path}`, import.meta.url).href);
    const script = `
      import { createTelemetry } from ${source('telemetry.ts')};
      import { subscribe } from ${source('channels.ts')};
      import { systemClock } from ${source('../base/runtime.ts')};
      process.on('uncaughtException', (error) => console.log('uncaught', error.message));
      subscribe('request:end', () => { throw new Error('mine'); });
      subscribe('request:end', (event) => console.log('second subscriber', event.status));
      const telemetry = createTelemetry({ meshName: 'web', clock: systemClock });
      const facts = { method: 'GET', scheme: 'http', host: 'orders', port: 80, path: '/', headers: null };
      telemetry.startRequest(facts, 0).end({ status: 200 }, 1);
      console.log('the request went on');`;
    const child = spawnSync(process.execPath, ['--conditions=meshfetch-source', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.equal(child.stdout, 'second subscriber 200\nthe request went on\nuncaught mine\n', child.stderr);
    assert.equal(child.status, 0);
  });
});
