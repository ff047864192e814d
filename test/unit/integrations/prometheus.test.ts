import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { diag, metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { prometheusHandler, type PrometheusHandler } from '../../../src/integrations/prometheus.ts';
import { createTelemetry, type Telemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { someInbound } from '../telemetry/some-inbound.ts';

const createSome = (): Telemetry => createTelemetry({ meshName: 'web', clock: createVirtualClock() });

async function urlOf(t: TestContext, handler: PrometheusHandler): Promise<string> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text format, and refuses what is not in it. Source: Prometheus, "Exposition formats". */
function parse(text: string): readonly Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    assert.ok(match !== null, line);
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)) labels[name!] = value!;
    const value = match[3] === '+Inf' ? Number.POSITIVE_INFINITY : Number(match[3]);
    assert.ok(!Number.isNaN(value), line);
    samples.push({ name: match[1]!, labels, value });
  }
  return samples;
}

/** One request in, of 250 ms. */
function serveOne(telemetry: Telemetry, route?: string): void {
  telemetry.startServer(someInbound(), 0)!.end({ status: 200, route }, 250);
}

describe('the handler for Prometheus', () => {
  afterEach(() => metrics.disable());

  it('shows what the mesh measures, without any SDK set up by the program', async (t) => {
    const url = await urlOf(t, prometheusHandler());
    serveOne(createSome());
    const response = await fetch(url);
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    const samples = parse(await response.text());
    const count = samples.find(({ name }) => name === 'http_server_request_duration_count')!;
    assert.equal(count.value, 1);
    assert.equal(count.labels['http_response_status_code'], '200');
    assert.equal(count.labels['otel_scope_name'], 'meshfetch');
    const sum = samples.find(({ name }) => name === 'http_server_request_duration_sum')!;
    assert.equal(sum.value, 0.25);
  });

  it('is made again over the same metrics, with names and labels of its own', async (t) => {
    prometheusHandler();
    const url = await urlOf(t, prometheusHandler({ prefix: 'shop', scopeLabels: false }));
    serveOne(createSome());
    const samples = parse(await (await fetch(url)).text());
    const count = samples.find(({ name }) => name === 'shop_http_server_request_duration_count')!;
    assert.equal(count.value, 1);
    assert.equal(count.labels['otel_scope_name'], undefined);
  });

  it('says what to do when the program has a meter provider of its own', () => {
    metrics.setGlobalMeterProvider(new MeterProvider());
    diag.disable();
    assert.throws(
      () => prometheusHandler(),
      (error) => error instanceof TypeError && error.message.includes('prometheusHandler({ exporter })'),
    );
  });

  it('reads that provider through the exporter that it is given', async (t) => {
    const exporter = new PrometheusExporter({ preventServerStart: true });
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }));
    const url = await urlOf(t, prometheusHandler({ exporter }));
    serveOne(createSome());
    const samples = parse(await (await fetch(url)).text());
    assert.ok(samples.some(({ name, value }) => name === 'http_server_request_duration_count' && value === 1));
  });

  it('has no more series of a metric than it is told', async (t) => {
    const url = await urlOf(t, prometheusHandler({ maxSeries: 10 }));
    const telemetry = createSome();
    for (let index = 0; index < 100; index++) serveOne(telemetry, `/r${index}`);
    const counts = parse(await (await fetch(url)).text()).filter(({ name }) => name === 'http_server_request_duration_count');
    assert.equal(counts.length, 10);
    assert.equal(
      counts.reduce((total, { value }) => total + value, 0),
      100,
    );
    assert.equal(counts.filter(({ labels }) => labels['otel_metric_overflow'] === 'true').length, 1);
  });

  it('refuses a number of series that is none', () => {
    assert.throws(() => prometheusHandler({ maxSeries: 0 }), RangeError);
  });

  it('answers HEAD without a body, and other methods with 405', async (t) => {
    const url = await urlOf(t, prometheusHandler());
    const head = await fetch(url, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    const post = await fetch(url, { method: 'POST' });
    assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
  });

  it('leaves a response alone that was answered while the metrics were collected', async (t) => {
    const handler = prometheusHandler();
    const url = await urlOf(t, (request, response) => {
      handler(request, response);
      response.writeHead(503).end('too late');
    });
    const told: unknown[] = [];
    const tell = (reason: unknown): void => void told.push(reason);
    process.on('unhandledRejection', tell);
    t.after(() => process.off('unhandledRejection', tell));
    const { status } = await fetch(url);
    // The next one is collected after it.
    await fetch(url);
    assert.deepEqual([status, told], [503, []]);
  });

  it('answers 500 when the metrics cannot be collected', async (t) => {
    const exporter = new PrometheusExporter({ preventServerStart: true });
    // No provider has it as its reader.
    const response = await fetch(await urlOf(t, prometheusHandler({ exporter })));
    assert.equal(response.status, 500);
  });
});
