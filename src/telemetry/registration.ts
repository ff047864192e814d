/**
 * Whether an OpenTelemetry SDK is registered, asked on every request for less than 20 ns.
 *
 * Applications may register their SDK after the mesh was made. The tracing API has a proxy that resolves later; the metrics API
 * has none: an instrument made before the meter provider was registered stays dead. So the providers themselves are compared by
 * identity, which also notices `disable()` and a second registration. Each look-up of a provider costs one look-up of a symbol
 * on the global object (about 12 ns); one glance at that symbol says for both that there is nothing to ask. The symbol is what
 * all 1.x copies of the API find each other by; the test holds us to it.
 */
import { ProxyTracerProvider, createNoopMeter, metrics, trace } from '@opentelemetry/api';
import type { MeterProvider, Tracer, TracerProvider } from '@opentelemetry/api';
import { Instruments } from './instruments.ts';
import { scopeName, scopeVersion } from './scope.ts';

const apiGlobals = globalThis as unknown as Readonly<Record<symbol, object | undefined>>;
const apiSymbol = Symbol.for('opentelemetry.js.api.1');

/** The tracer provider behind the proxy of whichever copy of the API registered it. */
function currentTracerProvider(): TracerProvider {
  const provider = trace.getTracerProvider() as TracerProvider & { getDelegate?: () => TracerProvider };
  return provider.getDelegate === undefined ? provider : provider.getDelegate();
}

/** The tracer and the instruments of the SDK that is registered now. */
export class Registration {
  /** Undefined while no tracing SDK is registered. */
  tracer: Tracer | undefined = undefined;
  /** Undefined while no metrics SDK is registered. */
  instruments: Instruments | undefined = undefined;
  private tracerProvider: TracerProvider;
  private meterProvider: MeterProvider | undefined = undefined;
  private isSeen = false;
  private readonly noopTracerProvider: TracerProvider;
  private readonly noopMeter = createNoopMeter();
  private readonly onInstruments: (instruments: Instruments | undefined) => void;

  /** `onInstruments` is told of every change of {@link Registration.instruments}. */
  constructor(onInstruments: (instruments: Instruments | undefined) => void) {
    this.noopTracerProvider = new ProxyTracerProvider().getDelegate();
    this.tracerProvider = this.noopTracerProvider;
    this.onInstruments = onInstruments;
  }

  /** Whether a tracer or a meter is registered; brings `tracer` and `instruments` up to date. */
  check(): boolean {
    if (apiGlobals[apiSymbol] === undefined && !this.isSeen) return false;
    const tracerProvider = currentTracerProvider();
    const meterProvider = metrics.getMeterProvider();
    if (tracerProvider !== this.tracerProvider || meterProvider !== this.meterProvider) {
      this.refresh(tracerProvider, meterProvider);
    }
    return this.tracer !== undefined || this.instruments !== undefined;
  }

  private refresh(tracerProvider: TracerProvider, meterProvider: MeterProvider): void {
    this.isSeen = true;
    if (tracerProvider !== this.tracerProvider) {
      this.tracerProvider = tracerProvider;
      this.tracer = tracerProvider === this.noopTracerProvider ? undefined : tracerProvider.getTracer(scopeName, scopeVersion);
    }
    if (meterProvider !== this.meterProvider) {
      this.meterProvider = meterProvider;
      const meter = meterProvider.getMeter(scopeName, scopeVersion);
      const instruments = meter === this.noopMeter ? undefined : new Instruments(meter);
      if (instruments === undefined && this.instruments === undefined) return;
      this.instruments = instruments;
      this.onInstruments(instruments);
    }
  }
}
