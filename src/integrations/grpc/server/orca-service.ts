/**
 * Tells callers how busy this process is on a stream of its own (`xds.service.orca.v3.OpenRcaService`, "out of band"), for balancers that
 * go by load and do not call each server often enough to read it from responses. It is the report that responses carry. Source: gRFC A51.
 */
import type { Server, ServerWritableStream } from '@grpc/grpc-js';
import { systemClock, type Clock, type Timer } from '../../../base/runtime.ts';
import type { Mesh } from '../../../mesh-interface.ts';
import { ProtobufReader, ProtobufWriter } from '../../../wire/protobuf.ts';
import { goingAway, onDraining } from './on-draining.ts';

/** Reports how busy this process is. */
export interface OrcaService {
  /** Adds the service to a server. */
  addToServer(server: Server): void;
}

/** What the service is made with. */
export interface OrcaServiceOptions {
  /** The least time between two reports, whatever a caller asks for. Default 1 s: it is measured once a second. */
  readonly minReportIntervalMs?: number;
}

/** `OrcaLoadReportRequest`, as far as it matters: what a call costs is not reported here. An object: what is falsy grpc-js takes for none. */
interface ReportRequest {
  /** 0 = it says none. */
  readonly intervalMs: number;
}
type Call = ServerWritableStream<ReportRequest, Uint8Array>;

const defaultIntervalMs = 30_000; // grpc-go's and grpc-js's
const defaultMinIntervalMs = 1000;
/** A day: what is longer is no wish for reports, and more than timers take. */
const maxIntervalMs = 86_400_000;
const maxDurationMs = 315_576_000_000_000; // google/protobuf/duration.proto

/** The reports of a mesh. Throws a RangeError for an interval that is none. */
export function orcaService(mesh: Mesh, { minReportIntervalMs = defaultMinIntervalMs }: OrcaServiceOptions = {}): OrcaService {
  if (!(minReportIntervalMs > 0 && minReportIntervalMs <= maxIntervalMs))
    throw new RangeError('orcaService: "minReportIntervalMs" must be milliseconds above 0, up to a day');
  const door = mesh.inbound();
  return orcaReports(() => door.loadReport(), minReportIntervalMs, systemClock);
}

/** The service over any source of reports. */
export function orcaReports(report: () => Uint8Array | undefined, minIntervalMs: number, clock: Clock): OrcaService {
  const stream = (call: Call): void => {
    const asked = call.request.intervalMs === 0 ? defaultIntervalMs : call.request.intervalMs;
    const intervalMs = Math.min(maxIntervalMs, Math.max(minIntervalMs, asked));
    let timer: Timer;
    const tell = (): void => {
      // Who reads slowly gets the latest when it has read.
      const message = call.writableNeedDrain ? undefined : report();
      if (message !== undefined) call.write(message);
      timer = clock.setTimer(tell, message === undefined ? Math.min(intervalMs, defaultMinIntervalMs) : intervalMs);
    };
    tell();
    const stop = (): void => timer.cancel();
    call.once('cancelled', stop).once('close', stop);
    onDraining(call, () => {
      stop();
      call.emit('error', goingAway);
    });
  };
  return {
    addToServer(server) {
      server.addService(definition, { StreamCoreMetrics: stream });
    },
  };
}

const definition = {
  StreamCoreMetrics: {
    path: '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics',
    requestStream: false,
    responseStream: true,
    requestSerialize: ({ intervalMs }: ReportRequest) => Buffer.from(encodeRequest(intervalMs)),
    requestDeserialize: (message: Buffer): ReportRequest => ({ intervalMs: intervalOf(message) }),
    responseSerialize: (report: Uint8Array) => Buffer.from(report),
    responseDeserialize: (report: Buffer) => report,
  },
};

function encodeRequest(intervalMs: number): Uint8Array {
  const interval = new ProtobufWriter().varint(1, Math.floor(intervalMs / 1000)).varint(2, (intervalMs % 1000) * 1_000_000);
  return new ProtobufWriter().message(1, interval).finish();
}

/** `report_interval` of an `OrcaLoadReportRequest` (a Duration) in milliseconds; 0 = it says none. Throws for bytes that are no message. */
export function intervalOf(message: Uint8Array): number {
  const reader = new ProtobufReader(message);
  let intervalMs = 0;
  while (reader.next()) {
    const duration = reader.field === 1 ? reader.bytes() : undefined;
    if (duration === undefined) continue;
    const parts = new ProtobufReader(duration);
    intervalMs = 0;
    while (parts.next()) {
      if (parts.field === 1) intervalMs += (parts.varint() ?? 0) * 1000;
      else if (parts.field === 2) intervalMs += (parts.varint() ?? 0) / 1_000_000;
    }
    if (parts.isBroken) throw new TypeError('no google.protobuf.Duration');
  }
  if (reader.isBroken) throw new TypeError('no xds.service.orca.v3.OrcaLoadReportRequest');
  // A negative one is a number above all that a Duration can be.
  return intervalMs > maxDurationMs ? 0 : intervalMs;
}
