/**
 * The metrics of the process for Prometheus, as a request handler:
 *
 *     app.get('/metrics', prometheusHandler());
 *
 * Programs that have no OpenTelemetry SDK need nothing else: the handler registers a meter provider, and everything that the mesh
 * and other libraries measure is in it. Programs that have one give the handler the exporter that reads it. Where the port takes
 * mutual TLS only, `plaintextPaths: ['/metrics']` lets scrapes in.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

/** What {@link prometheusHandler} is made with. */
export interface PrometheusOptions {
  /**
   * Reads a meter provider of the program's own: `new PrometheusExporter({ preventServerStart: true })`, given to it as a reader. Default:
   * a provider of the handler's own, registered for the process.
   */
  readonly exporter?: PrometheusExporter;
  /** Before every name, followed by `_`. Default none. */
  readonly prefix?: string;
  /**
   * Series of one metric at most; those beyond it are counted together, with `otel_metric_overflow="true"`. Not with `exporter`, whose
   * provider decides. Default 2000 (OpenTelemetry's).
   */
  readonly maxSeries?: number;
  /** Labels `otel_scope_name` and `otel_scope_version`, which tell libraries apart that use one name. Default true. */
  readonly scopeLabels?: boolean;
}

/** Handles a request with Node's objects: for node:http, Express, `fastify.routing` and whatever else takes such a function. */
export type PrometheusHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** The version of the text format (Prometheus, "Exposition formats"): Prometheus 3 takes no response that does not say it. */
const contentType = 'text/plain; version=0.0.4; charset=utf-8';

/** The exporter of the provider that a handler here registered. */
interface OwnProvider {
  readonly provider: MeterProvider;
  readonly exporter: PrometheusExporter;
}

let own: OwnProvider | undefined;

/**
 * Makes the handler. Throws a TypeError when the program has registered a meter provider and no `exporter` is given: it would measure
 * nothing.
 */
export function prometheusHandler(options: PrometheusOptions = {}): PrometheusHandler {
  const exporter = options.exporter ?? ownExporter(options.maxSeries);
  const serializer = new PrometheusSerializer(options.prefix, false, undefined, false, options.scopeLabels === false);
  return (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    exporter
      .collect()
      .then(({ resourceMetrics }) => [200, contentType, serializer.serialize(resourceMetrics)] as const)
      .catch(() => [500, 'text/plain', 'the metrics could not be collected\n'] as const)
      .then(([status, type, text]) => {
        // Answered meanwhile, by a middleware that waits no longer.
        if (response.headersSent || response.writableEnded) return;
        response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
        response.end(request.method === 'HEAD' ? undefined : text);
      })
      // A response that throws has told everybody who listens to it.
      .catch(() => response.destroy());
  };
}

/** One provider for all handlers of the process, for as long as it is the registered one. */
function ownExporter(maxSeries: number | undefined): PrometheusExporter {
  if (maxSeries !== undefined && !(Number.isInteger(maxSeries) && maxSeries > 0))
    throw new RangeError(`maxSeries must be a whole number above 0, not ${maxSeries}`);
  if (own !== undefined && isRegistered(own.provider)) return own.exporter;
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({
    readers: [exporter],
    ...(maxSeries !== undefined && { views: [{ instrumentName: '*', aggregationCardinalityLimit: maxSeries }] }),
  });
  if (!metrics.setGlobalMeterProvider(provider)) {
    void provider.shutdown();
    throw new TypeError(
      'a MeterProvider is registered already, whose metrics prometheusHandler() cannot see: make a PrometheusExporter({ preventServerStart: true }), give it to that provider as one of its readers, and to prometheusHandler({ exporter })',
    );
  }
  own = { provider, exporter };
  return exporter;
}

/** The provider behind whatever the API gives out. */
function isRegistered(provider: MeterProvider): boolean {
  return metrics.getMeterProvider() === provider;
}
