/** The messages of `xds.service.orca.v3.OpenRcaService/StreamCoreMetrics`, framed as gRPC frames them. Source: gRFC A51, gRPC over HTTP/2. */
import type { LoadReport } from '../../model/contracts.ts';
import { framed, MessageSplitter, prefixBytes } from '../../wire/grpc-frames.ts';
import { ProtobufWriter } from '../../wire/protobuf.ts';
import { decodeLoadReport } from '../load-balancing/load-report-message.ts';

/** A report is some hundred bytes; nobody has to hold more for a server that says otherwise. */
const maxReportBytes = 65_536;

/** A frame with an `OrcaLoadReportRequest` that asks for a report so often. */
export function reportRequest(intervalMs: number): Buffer {
  const seconds = Math.floor(intervalMs / 1000);
  const interval = new ProtobufWriter().varint(1, seconds).varint(2, Math.round((intervalMs - seconds * 1000) * 1_000_000));
  return framed(new ProtobufWriter().message(1, interval).finish());
}

/** Puts the frames of a stream together, however they are cut. */
export class ReportFrames {
  private readonly splitter = new MessageSplitter(maxReportBytes);

  /**
   * The latest report that is whole with these bytes; undefined while there is none, or none that can be read. Throws an Error for what
   * cannot be a stream of reports.
   */
  read(chunk: Buffer): LoadReport | undefined {
    const frames: Buffer[] = [];
    const tooLong = this.splitter.push(chunk, (frame) => frames.push(frame));
    if (frames.some((frame) => frame[0] !== 0)) throw new Error('sent a compressed report, which was not offered');
    if (tooLong !== undefined) throw new Error(`sent a report of ${tooLong} bytes`);
    const message = frames.at(-1)?.subarray(prefixBytes);
    return message && decodeLoadReport(message);
  }
}
