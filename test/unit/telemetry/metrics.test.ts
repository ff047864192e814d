import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { DataPointType } from '@opentelemetry/sdk-metrics';
import { metricTable } from '../../../src/telemetry/instruments.ts';
import type { MetricName } from '../../../src/telemetry/instruments.ts';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import type { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { registerMetrics, registerTracing, unregister } from './open-telemetry.ts';
import { someInbound, someRefusal } from './some-inbound.ts';
import { someAttempt, someRequest } from './some-request.ts';

const clock = createVirtualClock();
const workload = {
  dialect: 'istio' as const,
  current: () => ({ name: 'web', namespace: 'shop', canonicalName: 'web', canonicalRevision: 'v1', labels: {} }),
};
const createSome = (): Telemetry => createTelemetry({ meshName: 'web', clock, workload });
const http = { 'http.request.method': 'GET', 'server.address': 'orders', 'server.port': 80, 'url.scheme': 'http' };

/** Makes every metric move once. */
function doEverything(telemetry: Telemetry): void {
  telemetry.observe({
    openConnections: () => [{ cluster: 'orders/v2', serverAddress: 'orders', serverPort: 80, active: 2, idle: 3 }],
    inboundConnections: () => [{ port: 8443, connections: 3 }],
    identities: () => [{ name: 'default', expiresMs: clock.wallNow() + 3_600_000 }],
  });
  const request = telemetry.startRequest(someRequest(), 0)!;
  request.isGrpc();
  request.matched(undefined, 'reads');
  request.routed('v2', 'orders/v2', '7');
  request.startAttempt(someAttempt(1), 0).end({ kind: 'retried', error: 'MESH_RESET' }, 10);
  request.retryScheduled({ retry: 1, maxRetries: 2, reason: 'reset', delayMs: 10 });
  request.startAttempt(someAttempt(2), 20).end({ kind: 'failed', status: 503, protocol: '1.1' }, 50);
  request.retryDenied('budget', 0);
  request.end({ status: 503 }, 50);
  const endpoint = '192.0.2.7:7002';
  telemetry.publish('host:ejected', () => ({
    cluster: 'orders/v2',
    endpoint,
    reason: 'consecutive-5xx',
    ejectionMs: 30_000,
    ejectedHosts: 1,
    totalHosts: 3,
  }));
  telemetry.publish('health-check:changed', () => ({ cluster: 'orders/v2', endpoint, state: 'healthy', reason: undefined }));
  telemetry.publish('breaker:opened', () => ({ cluster: 'orders/v2', endpoint }));
  telemetry.publish('breaker:half-open', () => ({ cluster: 'orders/v2', endpoint }));
  telemetry.publish('breaker:closed', () => ({ cluster: 'orders/v2', endpoint }));
  telemetry.publish('config:applied', () => ({ source: 'file', version: '7', accepted: 3, resources: [], unhonoured: [] }));
  telemetry.publish('config:rejected', () => ({ source: 'file', reason: 'not YAML', problems: [] }));
  telemetry.publish('identity:rotated', () => ({ source: 'file', name: 'default', kind: 'svid', change: 'set', generation: 2 }));
  telemetry.publish('identity:rejected', () => ({ source: 'file', name: 'default', kind: 'svid', reason: 'expired' }));
  const inbound = telemetry.startServer(someInbound({ headers: { 'content-type': 'application/grpc' } }), 0)!;
  inbound.shadowed({ kind: 'dry-run', verdict: 'denied', policy: 'writers' });
  inbound.unanswered({ authorizer: 'gate', reason: 'it answered 500', wentOn: true });
  inbound.refused('overload', someRefusal);
  inbound.end({ status: 503, route: '/api/:id' }, 1);
  telemetry.publish('inbound:connection-refused', () => ({
    port: 8443,
    peerAddress: '192.0.2.9',
    reason: 'certificate_expired',
  }));
}

describe('the metrics', () => {
  afterEach(unregister);

  it('are all in the table, with its unit, words, labels and buckets, and all of the table are recorded', async () => {
    const sdk = registerMetrics();
    doEverything(createSome());
    const metrics = (await sdk.collect()).filter((metric) => metric.scope === 'meshfetch');
    assert.deepEqual(metrics.map((metric) => metric.descriptor.name).sort(), Object.keys(metricTable).sort());
    for (const metric of metrics) {
      const row = metricTable[metric.descriptor.name as MetricName];
      assert.equal(metric.descriptor.unit, row.unit);
      assert.equal(metric.descriptor.description, row.doc);
      const labels = new Set(metric.dataPoints.flatMap((point) => Object.keys(point.attributes)));
      assert.deepEqual([...labels].sort(), [...row.labels].sort(), metric.descriptor.name);
      if ('buckets' in row) {
        assert.equal(metric.dataPointType, DataPointType.HISTOGRAM);
        const [point] = metric.dataPoints as readonly {
          readonly value: { readonly buckets: { readonly boundaries: unknown } };
        }[];
        assert.deepEqual(point!.value.buckets.boundaries, row.buckets);
      }
    }
  });

  it('measure each attempt in http.client.request.duration and the whole in meshfetch.client.call.duration, in seconds', async () => {
    const sdk = registerMetrics();
    doEverything(createSome());
    assert.deepEqual(await sdk.points('http.client.request.duration'), [
      { value: 1, attributes: { ...http, 'error.type': 'MESH_RESET' } },
      {
        value: 1,
        attributes: {
          ...http,
          'http.response.status_code': 503,
          'error.type': '503',
          'network.protocol.version': '1.1',
        },
      },
    ]);
    const calls = (await sdk.collect()).find((metric) => metric.descriptor.name === 'meshfetch.client.call.duration');
    assert.equal((calls!.dataPoints[0]!.value as { readonly sum: number }).sum, 0.05);
  });

  it('name the virtual cluster of a request where it has one, and no more than 128 of them', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    for (const name of [...Array.from({ length: 130 }, (_, index) => `v${index}`), undefined]) {
      const request = telemetry.startRequest(someRequest(), 0)!;
      request.matched(undefined, name);
      request.end({ status: 200 }, 1);
    }
    const calls = (await sdk.collect()).find((metric) => metric.descriptor.name === 'meshfetch.client.call.duration');
    const names = calls!.dataPoints.map(({ attributes }) => attributes['meshfetch.virtual_cluster']);
    assert.deepEqual(new Set(names), new Set([...Array.from({ length: 128 }, (_, index) => `v${index}`), '_other', undefined]));
  });

  it('count attempts by cluster and outcome', async () => {
    const sdk = registerMetrics();
    doEverything(createSome());
    const labels = { 'meshfetch.cluster': 'orders/v2', 'meshfetch.mesh.name': 'web' };
    assert.deepEqual(await sdk.points('meshfetch.client.attempts'), [
      { value: 1, attributes: { ...labels, 'meshfetch.attempt.outcome': 'retried', 'error.type': 'MESH_RESET' } },
      { value: 1, attributes: { ...labels, 'meshfetch.attempt.outcome': 'failed', 'error.type': '503' } },
    ]);
  });

  it('show the attempts under way, and none when all have ended', async () => {
    const sdk = registerMetrics();
    const request = createSome().startRequest(someRequest(), 0)!;
    const attempt = request.startAttempt(someAttempt(1), 0);
    assert.deepEqual(await sdk.points('http.client.active_requests'), [{ value: 1, attributes: http }]);
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    assert.deepEqual(await sdk.points('http.client.active_requests'), [{ value: 0, attributes: http }]);
  });

  it('do not go below zero for an attempt that began before the meter was registered', async () => {
    registerTracing();
    const request = createSome().startRequest(someRequest(), 0)!;
    const attempt = request.startAttempt(someAttempt(1), 0);
    const sdk = registerMetrics();
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    assert.deepEqual(await sdk.points('http.client.active_requests'), []);
  });

  it('read connections when they are collected, those of the same labels summed', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    const open = { cluster: 'orders', serverAddress: 'orders', serverPort: 80, active: 1, idle: 4 };
    telemetry.observe({ openConnections: () => [open, { ...open, active: 2 }] });
    telemetry.observe({ openConnections: () => [{ ...open, idle: 0 }] });
    const labels = {
      'meshfetch.cluster': 'orders',
      'meshfetch.mesh.name': 'web',
      'server.address': 'orders',
      'server.port': 80,
    };
    assert.deepEqual(await sdk.points('http.client.open_connections'), [
      { value: 4, attributes: { ...labels, 'http.connection.state': 'active' } },
      { value: 8, attributes: { ...labels, 'http.connection.state': 'idle' } },
    ]);
  });

  it('take the connections of a cluster that is gone to zero', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    const end = telemetry.observe({
      openConnections: () => [{ cluster: 'orders', serverAddress: 'orders', serverPort: 80, active: 1, idle: 4 }],
    });
    assert.deepEqual(
      (await sdk.points('http.client.open_connections')).map((point) => point.value),
      [1, 4],
    );
    end();
    assert.deepEqual(
      (await sdk.points('http.client.open_connections')).map((point) => point.value),
      [0, 0],
    );
  });

  it('show the seconds until a certificate expires, below zero once it has', async () => {
    const sdk = registerMetrics();
    let expiresMs = clock.wallNow() + 5000;
    let readings = 0;
    const end = createSome().observe({
      identities: () => {
        readings += 1;
        return [{ name: 'default', expiresMs }];
      },
    });
    assert.equal((await sdk.points('meshfetch.identity.expiry'))[0]!.value, 5);
    expiresMs -= 6000;
    assert.equal((await sdk.points('meshfetch.identity.expiry'))[0]!.value, -1);
    end();
    await sdk.collect();
    assert.equal(readings, 2);
  });

  it('read the gauges into an SDK that is registered later, from the next request on', async () => {
    const telemetry = createSome();
    telemetry.observe({ identities: () => [{ name: 'default', expiresMs: clock.wallNow() }] });
    const sdk = registerMetrics();
    assert.deepEqual(await sdk.points('meshfetch.identity.expiry'), []);
    telemetry.startRequest(someRequest(), 0);
    assert.equal((await sdk.points('meshfetch.identity.expiry')).length, 1);
  });

  it('are silent after close, also towards an SDK that comes later', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    telemetry.observe({ identities: () => [{ name: 'default', expiresMs: clock.wallNow() }] });
    telemetry.close();
    assert.deepEqual(await sdk.points('meshfetch.identity.expiry'), []);
    unregister();
    const later = registerMetrics();
    telemetry.startRequest(someRequest(), 0);
    assert.deepEqual(await later.points('meshfetch.identity.expiry'), []);
  });

  it('name 128 services and clusters, and call all others _other', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    for (let number = 0; number < 140; number += 1) {
      const request = telemetry.startRequest(someRequest({ host: `host-${number}`, port: 1000 + number }), 0)!;
      request.startAttempt(someAttempt(1, { cluster: `cluster-${number}` }), 0).end({ kind: 'delivered', status: 200 }, 1);
      request.end({ status: 200 }, 1);
    }
    for (const name of ['http.client.request.duration', 'http.client.active_requests', 'meshfetch.client.call.duration']) {
      const points = await sdk.points(name);
      assert.equal(points.length, 129, name);
      const other = points.find((point) => point.attributes['server.address'] === '_other');
      assert.equal(other?.attributes['server.port'], undefined);
    }
    const attempts = await sdk.points('meshfetch.client.attempts');
    assert.equal(attempts.length, 129);
    assert.equal(attempts.find((point) => point.attributes['meshfetch.cluster'] === '_other')?.value, 12); // 140 − 128
  });

  it('count the ports of a service among its names', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    for (let number = 0; number < 140; number += 1) {
      const request = telemetry.startRequest(someRequest({ host: 'orders', port: 1000 + number }), 0)!;
      request.startAttempt(someAttempt(1), 0).end({ kind: 'delivered', status: 200 }, 1);
      request.end({ status: 200 }, 1);
    }
    for (const name of ['http.client.request.duration', 'http.client.active_requests', 'meshfetch.client.call.duration'])
      assert.equal((await sdk.points(name)).length, 129, name);
  });

  it('count invented methods as _OTHER', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    for (const method of ['FROB', 'NICATE', 'get']) {
      telemetry
        .startRequest(someRequest({ method }), 0)!
        .startAttempt(someAttempt(1), 0)
        .end({ kind: 'delivered', status: 200 }, 1);
    }
    assert.deepEqual(
      (await sdk.points('http.client.request.duration')).map((point) => [point.attributes['http.request.method'], point.value]),
      [
        ['_OTHER', 2],
        ['GET', 1],
      ],
    );
  });
});
