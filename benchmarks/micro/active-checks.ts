/** What an active health check costs this process beside its connection, among 10,000 endpoints that are all checked. */
import { yieldToLoop, type Clock } from '../../src/base/runtime.ts';
import { Cluster } from '../../src/data-plane/cluster/cluster.ts';
import type { CheckVerdict } from '../../src/data-plane/health-checks/health-probe.ts';
import { HealthChecks } from '../../src/data-plane/health-checks/health-checks.ts';
import type { HealthCheckConfig } from '../../src/model/health.ts';
import { createIdentityStore } from '../../src/security/identity-store.ts';
import { clusterDependencies, giveEndpoints } from '../../test/support/cluster-alone.ts';
import type { MicroRow } from './operation.ts';

const endpointCount = 10_000;
/** As many as begin before the event loop turns. */
const checksPerTurn = 16;
const check: HealthCheckConfig = {
  kind: 'tcp',
  timeoutMs: 100,
  intervalMs: 1000,
  noTrafficIntervalMs: 1000,
  healthyThreshold: 1,
  unhealthyThreshold: 1,
};
const passed: CheckVerdict = { kind: 'passed', isDegraded: false };

/** Checks in the order in which they are due; a turn of the event loop for each 16 of them is part of it. */
async function prepareChecks(): Promise<(count: number) => Promise<void>> {
  const resting: (() => void)[] = [];
  let next = 0;
  const clock: Clock = {
    now: () => 0.1,
    wallNow: () => 0,
    setTimer(callback, delayMs) {
      // Nobody is silent, so that no timeout comes.
      if (delayMs >= check.intervalMs) resting.push(callback);
      return { cancel: () => {} };
    },
  };
  const asked: ((verdict: CheckVerdict) => void)[] = [];
  const healthChecks = new HealthChecks({
    clock,
    random: () => 0.5,
    identities: createIdentityStore({ clock }),
    createProbe: () => ({ begin: (onVerdict) => void asked.push(onVerdict), close: () => {}, isConnected: false }),
  });
  const answer = (): void => {
    while (asked.length > 0) asked.pop()!(passed);
  };
  const cluster = new Cluster({ ...clusterDependencies({ clock }), healthChecks }, 'bench');
  const config = {
    name: 'orders',
    discovery: { kind: 'endpoints', name: 'e' },
    loadBalancing: { policy: 'least-request' },
  } as const;
  cluster.update({ ...config, healthChecks: [check] }, undefined);
  const endpoints = Array.from({ length: endpointCount }, (_, index) => ({
    address: `10.0.${index >> 8}.${index & 255}`,
    port: 80,
  }));
  giveEndpoints(cluster, endpoints);
  while (resting.length < endpointCount) {
    await yieldToLoop();
    answer();
  }
  return async (count) => {
    for (let done = 0; done < count; done++) {
      resting[next++]!();
      if (done % checksPerTurn !== checksPerTurn - 1) continue;
      await yieldToLoop();
      answer();
    }
    while (resting.length - next < endpointCount) {
      await yieldToLoop();
      answer();
    }
    resting.splice(0, next);
    next = 0;
  };
}

export const rows: readonly MicroRow[] = [
  { name: 'one of 10,000 endpoints passes its check', create: async () => ({ run: await prepareChecks() }) },
];
