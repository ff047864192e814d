/** What a call waits for before it has an attempt: given up, it leaves no timer, no listener and nobody in a queue. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { Deadlines } from '../../../src/base/deadlines.ts';
import { LoopWatch } from '../../../src/base/loop-watch.ts';
import type { Clock } from '../../../src/base/runtime.ts';
import { OutboundDispatcher } from '../../../src/data-plane/dispatcher.ts';
import { HealthChecks } from '../../../src/data-plane/health-checks/health-checks.ts';
import { LoadReports } from '../../../src/data-plane/load-reports/load-reports.ts';
import { LiveConfig } from '../../../src/data-plane/live-config.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import { createConnectionFactory } from '../../../src/data-plane/transport/connection-factory.ts';
import type { ClusterConfig, Discovery } from '../../../src/model/cluster.ts';
import { createIdentityStore } from '../../../src/security/identity-store.ts';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { eventually } from '../../support/mesh-of.ts';

/** A virtual clock that counts the timers which are set. */
function countingClock(): Clock & { readonly timers: () => number } {
  const clock = createVirtualClock();
  const timers = new Set<object>();
  return {
    ...clock,
    timers: () => timers.size,
    setTimer(callback, delayMs) {
      const key = {};
      timers.add(key);
      const timer = clock.setTimer(() => {
        timers.delete(key);
        callback();
      }, delayMs);
      return {
        cancel() {
          timers.delete(key);
          timer.cancel();
        },
      };
    },
  };
}

type Wait = 'configuration' | 'cluster' | 'endpoints' | 'name';

/** A data plane in which a request to `http://orders` waits for that, for ever. */
function waitingFor(wait: Wait) {
  const clock = countingClock();
  let asked = 0;
  const telemetry = createTelemetry({ meshName: 'test', clock });
  const identities = createIdentityStore({ clock });
  const never = new Promise<never>(() => {});
  const config = new LiveConfig(
    {
      clock,
      random: () => 0,
      policies: loadBalancingPolicies,
      connections: createConnectionFactory(identities, clock, telemetry),
      healthChecks: new HealthChecks({ clock, random: () => 0, identities }),
      loadReports: new LoadReports({ clock, random: () => 0, identities, telemetry }),
      telemetry,
      refusalOf: () => undefined,
      demandEndpoints: () => {
        asked++;
        return undefined;
      },
      resolver: {
        peek: () => undefined,
        resolve: () => {
          asked++;
          return never;
        },
        watch: () => () => {},
        close: () => {},
      },
    },
    {
      lastResort: 'dns',
      usesLastResort: () => false,
      ask: () => {
        asked++;
        return 'pending';
      },
      reason: () => undefined,
      describe: () => 'nobody said a word',
    },
  );
  const discovery: Discovery =
    wait === 'name' ? { kind: 'dns', hostname: 'orders.example', port: 80, use: 'all' } : { kind: 'endpoints', name: 'c' };
  const cluster: ClusterConfig = { name: 'c', discovery, loadBalancing: { policy: 'random' } };
  config.apply({
    version: '1',
    sources: [
      {
        source: 'slow',
        version: '1',
        listeners:
          wait === 'configuration'
            ? new Map()
            : new Map([
                [
                  'out',
                  {
                    direction: 'outbound',
                    name: 'out',
                    routes: {
                      name: 't',
                      virtualHosts: [
                        {
                          name: 'orders',
                          domains: ['orders'],
                          routes: [{ name: 'r', match: {}, action: { kind: 'forward', to: [{ cluster: 'c', weight: 1 }] } }],
                        },
                      ],
                    },
                  },
                ],
              ]),
        routeTables: new Map(),
        clusters: wait === 'cluster' ? new Map() : new Map([['c', cluster]]),
        endpoints: new Map(),
      },
    ],
  });
  const dispatcher = new OutboundDispatcher({
    config,
    clock,
    random: () => 0,
    deadlines: new Deadlines(clock),
    loop: new LoopWatch(),
    telemetry,
    rateLimits: config.rateLimits,
    configTimeoutMs: 5000,
    forbidsNonIdempotentRetries: false,
    fallback: () => undefined,
  });
  return { dispatcher, clock, asked: () => asked };
}

describe('a call that is given up while it waits', () => {
  for (const wait of ['configuration', 'cluster', 'endpoints', 'name'] as const) {
    it(`for its ${wait} holds nothing afterwards, not even the process`, async () => {
      const { dispatcher, clock, asked } = waitingFor(wait);
      const timersOf = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      const timersBefore = clock.timers();
      const processBefore = timersOf();
      const caller = new AbortController();
      const outcome = request('http://orders/', { dispatcher, signal: caller.signal });
      await eventually('it was asked for', () => asked() > 0);
      const reason = new Error('enough');
      caller.abort(reason);
      await assert.rejects(outcome, reason);
      await eventually('the process is not held', () => timersOf() <= processBefore);
      assert.equal(clock.timers(), timersBefore);
      await dispatcher.close();
    });
  }
});
