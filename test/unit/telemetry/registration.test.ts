import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { afterEach, describe, it } from 'node:test';
import { metrics, trace } from '@opentelemetry/api';
import type { MetricsAPI, TraceAPI } from '@opentelemetry/api';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { subscribe } from '../../../src/telemetry/channels.ts';
import type { EventName } from '../../../src/telemetry/events.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { unregister } from './open-telemetry.ts';
import { someRequest } from './some-request.ts';

const require = createRequire(import.meta.url);
/** The CommonJS build is a copy of the API with a state of its own, as another version in node_modules would be. */
const otherCopy = require('@opentelemetry/api') as { readonly trace: TraceAPI; readonly metrics: MetricsAPI };

const create = (): ReturnType<typeof createTelemetry> => createTelemetry({ meshName: 'web', clock: createVirtualClock() });

describe('who is listening', () => {
  afterEach(unregister);

  it('starts no span while nobody listens', () => {
    assert.equal(create().startRequest(someRequest(), 0), undefined);
  });

  it('notices a tracer that was registered before the mesh was made', () => {
    trace.setGlobalTracerProvider(new TracerProvider());
    assert.notEqual(create().startRequest(someRequest(), 0)?.tracer, undefined);
  });

  it('notices a tracer that is registered later, on the very next request', () => {
    const telemetry = create();
    telemetry.startRequest(someRequest(), 0);
    trace.setGlobalTracerProvider(new TracerProvider());
    const span = telemetry.startRequest(someRequest(), 0);
    assert.notEqual(span?.tracer, undefined);
    assert.equal(span?.instruments, undefined);
  });

  it('notices a meter that is registered later, on the very next request', () => {
    const telemetry = create();
    telemetry.startRequest(someRequest(), 0);
    metrics.setGlobalMeterProvider(new MeterProvider());
    const span = telemetry.startRequest(someRequest(), 0);
    assert.notEqual(span?.instruments, undefined);
    assert.equal(span?.tracer, undefined);
  });

  it('notices a tracer and a meter that another copy of the API registered', () => {
    assert.notEqual(otherCopy.trace, trace);
    const telemetry = create();
    otherCopy.trace.setGlobalTracerProvider(new TracerProvider());
    otherCopy.metrics.setGlobalMeterProvider(new MeterProvider());
    const span = telemetry.startRequest(someRequest(), 0);
    assert.notEqual(span?.tracer, undefined);
    assert.notEqual(span?.instruments, undefined);
    otherCopy.trace.disable();
    otherCopy.metrics.disable();
  });

  it('notices that the SDKs are gone, and that others took their place', () => {
    const telemetry = create();
    trace.setGlobalTracerProvider(new TracerProvider());
    metrics.setGlobalMeterProvider(new MeterProvider());
    const first = telemetry.startRequest(someRequest(), 0);
    unregister();
    assert.equal(telemetry.startRequest(someRequest(), 0), undefined);
    trace.setGlobalTracerProvider(new TracerProvider());
    metrics.setGlobalMeterProvider(new MeterProvider());
    const second = telemetry.startRequest(someRequest(), 0);
    assert.notEqual(second?.tracer, undefined);
    assert.notEqual(second?.tracer, first?.tracer);
    assert.notEqual(second?.instruments, first?.instruments);
  });

  const rows: readonly { readonly name: EventName; readonly started: boolean }[] = [
    { name: 'request:end', started: true },
    { name: 'attempt:end', started: true },
    { name: 'retry:scheduled', started: true },
    { name: 'retry:denied', started: true },
    { name: 'host:ejected', started: false },
    { name: 'config:applied', started: false },
  ];
  for (const { name, started } of rows) {
    it(`${started ? 'starts a span' : 'starts no span'} when somebody has subscribed to ${name}`, () => {
      const telemetry = create();
      const end = subscribe(name, () => {});
      assert.equal(telemetry.startRequest(someRequest(), 0) !== undefined, started);
      end();
      assert.equal(telemetry.startRequest(someRequest(), 0), undefined);
    });
  }
});
