import assert from 'node:assert/strict';
import { test } from 'node:test';
import { yieldToLoop } from '../../../../src/base/runtime.ts';
import { EndpointArrival } from '../../../../src/data-plane/cluster/endpoint-arrival.ts';
import { createVirtualClock, type VirtualClock } from '../../../../src/testing/virtual-clock.ts';

interface Waiting {
  readonly clock: VirtualClock;
  readonly arrival: EndpointArrival;
  readonly cluster: { hasEndpoints: boolean };
  readonly isOn: () => boolean;
}

function requestThatWaits(): Waiting {
  const clock = createVirtualClock();
  const cluster = { name: 'orders', source: 'xds', hasEndpoints: false };
  const arrival = new EndpointArrival(cluster, { clock, demandEndpoints: () => undefined });
  let isOn = false;
  void arrival.whenDelivered(5000, undefined).then(() => {
    isOn = true;
  });
  return { clock, arrival, cluster, isOn: () => isOn };
}

test('a request that waits for few endpoints goes on at once', async () => {
  const { arrival, cluster, isOn } = requestThatWaits();
  cluster.hasEndpoints = true;
  arrival.came(3);
  await yieldToLoop();
  assert.equal(isOn(), true);
});

test('a request that waits for many endpoints goes on after the turn in which they were built', async () => {
  const { clock, arrival, cluster, isOn } = requestThatWaits();
  cluster.hasEndpoints = true;
  arrival.came(500);
  await yieldToLoop();
  assert.equal(isOn(), false);
  await clock.advance(1);
  await yieldToLoop();
  assert.equal(isOn(), true);
});
