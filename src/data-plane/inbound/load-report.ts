/**
 * Tells callers how busy this process is (ORCA), so that those who balance by it send each server what it can do. Measured is the
 * whole process, since its processor and its event loop are shared by all ports:
 *
 *   cpu_utilization          processor time, of the processors that there are
 *   application_utilization  share of time in which the event loop was busy: at 1 a Node process can do no more, whatever its processors say
 *   rps_fractional, eps      requests and errors (status 500 and above, callers that gave up) a second
 *   named_metrics.requests_in_flight
 *
 * Sampled at most once a second, when a response asks: no timer, and the text is made once for all responses of that time. HTTP has it
 * in the header `endpoint-load-metrics`, gRPC in the trailer `endpoint-load-metrics-bin`. Source: gRFC A51, Envoy `orca_parser.cc`.
 */
import { availableParallelism } from 'node:os';
import { processUse, type Clock, type ProcessUse } from '../../base/runtime.ts';
import type { LoadReport } from '../../model/contracts.ts';
import type { InboundResponse } from '../../model/inbound.ts';
import { encodeLoadReport } from '../load-balancing/load-report-message.ts';

/** Callers read weights about once a second (gRFC A58, `weight_update_period`). */
const sampleMs = 1000;
const textHeader = 'endpoint-load-metrics';
const binaryHeader = 'endpoint-load-metrics-bin';

/** Responses with trailers, as Node's servers have them. */
interface TrailedResponse {
  addTrailers(trailers: Readonly<Record<string, string | readonly string[]>>): unknown;
}

/** Measures this process; one for all ports of a mesh. */
export class LoadMeter {
  private readonly clock: Clock;
  private readonly read: () => ProcessUse;
  private readonly processors: number;
  private inFlight = 0;
  private requests = 0;
  private errors = 0;
  private sampledMs: number;
  private use: ProcessUse;
  private requestsThen = 0;
  private errorsThen = 0;
  private latest: LoadReport | undefined = undefined;
  private text: string | undefined = undefined;
  private binary: string | undefined = undefined;
  private encoded: Uint8Array | undefined = undefined;

  constructor(clock: Clock, read: () => ProcessUse = processUse, processors: number = availableParallelism()) {
    this.clock = clock;
    this.read = read;
    this.processors = processors;
    this.sampledMs = clock.now();
    this.use = read();
  }

  /** A request came in. */
  started(): void {
    this.inFlight++;
    this.requests++;
  }

  /** Its response is over; `status` undefined = its caller left before there was one. */
  ended(status: number | undefined): void {
    this.inFlight--;
    if (status === undefined || status >= 500) this.errors++;
  }

  /** The report of the last second or more; undefined in the first. */
  report(): LoadReport | undefined {
    const now = this.clock.now();
    if (now - this.sampledMs >= sampleMs) this.sample(now);
    return this.latest;
  }

  /** The report as `xds.data.orca.v3.OrcaLoadReport`; undefined in the first second. */
  message(): Uint8Array | undefined {
    const report = this.report();
    return report && (this.encoded ??= Buffer.from(encodeLoadReport(report)));
  }

  /**
   * Puts the report on a response whose head is not yet sent. Nothing is put there in the first second. A response of gRPC that is a head
   * alone has its trailers there.
   */
  tell(response: InboundResponse, isGrpc: boolean): void {
    if (this.report() === undefined) return;
    if (!isGrpc) response.setHeader(textHeader, (this.text ??= textOf(this.latest!)));
    else if (response.getHeader('grpc-status') !== undefined)
      response.setHeader(binaryHeader, this.binaryText(response.getHeader(binaryHeader)));
    else if (hasTrailers(response)) this.tellInTrailers(response);
  }

  /** The program sets its own trailers at the end, over all that were there: ours go with them. */
  private tellInTrailers(response: TrailedResponse): void {
    const add = response.addTrailers.bind(response);
    response.addTrailers = (trailers) => add({ ...trailers, [binaryHeader]: this.binaryText(trailers[binaryHeader]) });
  }

  /** What the program has measured for this call stands: of messages that follow each other the later one counts, and maps are joined. */
  private binaryText(own: number | string | readonly string[] | undefined): string {
    const message = this.message()!;
    if (own === undefined) return (this.binary ??= Buffer.from(message).toString('base64'));
    return Buffer.concat([message, Buffer.from(typeof own === 'object' ? own.join() : String(own), 'base64')]).toString('base64');
  }

  private sample(now: number): void {
    const elapsedMs = now - this.sampledMs;
    const use = this.read();
    const activeMs = use.loopActiveMs - this.use.loopActiveMs;
    const loopMs = activeMs + use.loopIdleMs - this.use.loopIdleMs;
    this.latest = {
      cpuUtilization: rounded((use.cpuMs - this.use.cpuMs) / (elapsedMs * this.processors)),
      memoryUtilization: 0,
      applicationUtilization: loopMs > 0 ? rounded(activeMs / loopMs) : 0,
      rps: rounded(((this.requests - this.requestsThen) * 1000) / elapsedMs),
      eps: rounded(((this.errors - this.errorsThen) * 1000) / elapsedMs),
      namedMetrics: { requests_in_flight: this.inFlight },
      utilization: {},
    };
    this.text = undefined;
    this.binary = undefined;
    this.encoded = undefined;
    this.use = use;
    this.sampledMs = now;
    this.requestsThen = this.requests;
    this.errorsThen = this.errors;
  }
}

/** `TEXT cpu_utilization=0.31,…` */
function textOf({ cpuUtilization, applicationUtilization, rps, eps, namedMetrics }: LoadReport): string {
  const parts = [
    `cpu_utilization=${cpuUtilization}`,
    `application_utilization=${applicationUtilization}`,
    `rps_fractional=${rps}`,
    `eps=${eps}`,
  ];
  for (const [name, value] of Object.entries(namedMetrics)) parts.push(`named_metrics.${name}=${value}`);
  return `TEXT ${parts.join(',')}`;
}

/** To four decimals, which no number here writes with an exponent. */
function rounded(value: number): number {
  return Math.round(Math.max(0, value) * 10_000) / 10_000;
}

function hasTrailers(response: object): response is TrailedResponse {
  return 'addTrailers' in response && typeof response.addTrailers === 'function';
}
