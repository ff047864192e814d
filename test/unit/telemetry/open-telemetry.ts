import { AsyncLocalStorage } from 'node:async_hooks';
import { ROOT_CONTEXT, context, metrics, propagation, trace } from '@opentelemetry/api';
import type { Attributes, Context, ContextManager } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { HistogramMetricData, MetricData } from '@opentelemetry/sdk-metrics';
import { AlwaysOnSampler, InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { ReadableSpan, Sampler } from '@opentelemetry/sdk-trace';

/** The context manager of an application: what @opentelemetry/context-async-hooks does, for `with` and `active`. */
class AsyncContextManager implements ContextManager {
  private readonly storage = new AsyncLocalStorage<Context>();
  active(): Context {
    return this.storage.getStore() ?? ROOT_CONTEXT;
  }
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.storage.run(active, () => fn.apply(thisArg, args));
  }
  bind<T>(_active: Context, target: T): T {
    return target;
  }
  enable(): this {
    return this;
  }
  disable(): this {
    this.storage.disable();
    return this;
  }
}

class OnDemandReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

export interface Point {
  readonly value: number;
  readonly attributes: Attributes;
}

/** A real tracing SDK, registered for the process until {@link unregister}. */
export function registerTracing(
  options: { readonly sampler?: Sampler; readonly contextManager?: boolean } = {},
): () => readonly ReadableSpan[] {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    sampler: options.sampler ?? new AlwaysOnSampler(),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  if (options.contextManager !== false) context.setGlobalContextManager(new AsyncContextManager());
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  );
  trace.setGlobalTracerProvider(provider);
  return () => exporter.getFinishedSpans();
}

/** A real metrics SDK, registered for the process until {@link unregister}. */
export function registerMetrics(): {
  collect(): Promise<readonly (MetricData & { readonly scope: string })[]>;
  points(name: string): Promise<readonly Point[]>;
} {
  const reader = new OnDemandReader();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  const collect = async (): Promise<readonly (MetricData & { readonly scope: string })[]> => {
    const { resourceMetrics } = await reader.collect();
    return resourceMetrics.scopeMetrics.flatMap((scope) =>
      scope.metrics.map((metric) => ({ ...metric, scope: scope.scope.name })),
    );
  };
  return {
    collect,
    /** Of the meter `meshfetch`; the value of a histogram is its count. */
    async points(name) {
      const metric = (await collect()).find((one) => one.descriptor.name === name && one.scope === 'meshfetch');
      return (metric?.dataPoints ?? []).map(({ value, attributes }) => ({
        value: typeof value === 'number' ? value : (value as HistogramMetricData['dataPoints'][number]['value']).count,
        attributes,
      }));
    },
  };
}

export function unregister(): void {
  trace.disable();
  metrics.disable();
  propagation.disable();
  context.disable();
}
