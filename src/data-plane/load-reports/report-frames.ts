/** The messages of `xds.service.orca.v3.OpenRcaService/StreamCoreMetrics`, framed as gRPC frames them. Source: gRFC A51, gRPC over HTTP/2. */
import type { LoadReport } from '../../model/contracts.ts';
import { ProtobufWriter } from '../../wire/protobuf.ts';
import { decodeLoadReport } from '../load-balancing/load-report-message.ts';

/** Whether a message is compressed, and its length. */
const prefixBytes = 5;
/** A report is some hundred bytes; nobody has to hold more for a server that says otherwise. */
const maxReportBytes = 65_536;

/** A frame with an `OrcaLoadReportRequest` that asks for a report so often. */
export function reportRequest(intervalMs: number): Buffer {
  const seconds = Math.floor(intervalMs / 1000);
  const interval = new ProtobufWriter().varint(1, seconds).varint(2, Math.round((intervalMs - seconds * 1000) * 1_000_000));
  const message = new ProtobufWriter().message(1, interval).finish();
  const frame = Buffer.alloc(prefixBytes + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** Puts the frames of a stream together, however they are cut. */
export class ReportFrames {
  private rest: Buffer = Buffer.alloc(0);

  /**
   * The latest report that is whole with these bytes; undefined while there is none, or none that can be read. Throws an Error for what
   * cannot be a stream of reports.
   */
  read(chunk: Buffer): LoadReport | undefined {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let message: Buffer | undefined;
    while (bytes.length >= prefixBytes) {
      if (bytes[0] !== 0) throw new Error('sent a compressed report, which was not offered');
      const length = bytes.readUInt32BE(1);
      if (length > maxReportBytes) throw new Error(`sent a report of ${length} bytes`);
      if (bytes.length < prefixBytes + length) break;
      message = bytes.subarray(prefixBytes, prefixBytes + length);
      bytes = bytes.subarray(prefixBytes + length);
    }
    this.rest = bytes;
    return message && decodeLoadReport(message);
  }
}
