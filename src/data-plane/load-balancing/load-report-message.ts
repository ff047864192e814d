/** The wire form of `xds.data.orca.v3.OrcaLoadReport` (https://protobuf.dev/programming-guides/encoding): doubles, and maps to doubles. */
import type { LoadReport } from '../../model/contracts.ts';
import { emptyReport, reportFields, type ReportDraft } from './load-report-draft.ts';

/** Names of the fields by their numbers. */
const fieldNames: Readonly<Record<number, string>> = {
  1: 'cpu_utilization',
  2: 'mem_utilization',
  5: 'utilization',
  6: 'rps_fractional',
  7: 'eps',
  8: 'named_metrics',
  9: 'application_utilization',
};

const varint = 0;
const fixed64 = 1;
const bytes = 2;
const fixed32 = 5;

/** A report from its bytes; undefined when they are none. */
export function decodeLoadReport(message: Uint8Array): LoadReport | undefined {
  const report = emptyReport();
  const reader = new Reader(message);
  while (reader.next()) {
    const name = fieldNames[reader.field];
    if (reader.wireType === fixed64) {
      const value = reader.double();
      const key = name === undefined ? undefined : reportFields[name];
      if (!Number.isFinite(value)) return undefined;
      if (key !== undefined) report[key] = value;
    } else if (reader.wireType === bytes && (name === 'utilization' || name === 'named_metrics')) {
      if (!readEntry(reader.part(), name === 'utilization' ? report.utilization : report.namedMetrics)) return undefined;
    } else reader.skip();
  }
  return reader.isBroken ? undefined : report;
}

/** An entry of a map: 1 = name, 2 = number. */
function readEntry(message: Uint8Array, entries: ReportDraft['utilization']): boolean {
  const reader = new Reader(message);
  let name = '';
  let value = 0;
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === bytes) name = Buffer.from(reader.part()).toString('utf8');
    else if (reader.field === 2 && reader.wireType === fixed64) value = reader.double();
    else reader.skip();
  }
  if (reader.isBroken || !Number.isFinite(value)) return false;
  entries[name] = value;
  return true;
}

/** Fields one after another. What does not fit ends it: it is broken from there on. */
class Reader {
  private readonly message: Uint8Array;
  private at = 0;
  field = 0;
  wireType = 0;
  isBroken = false;

  constructor(message: Uint8Array) {
    this.message = message;
  }

  /** Goes to the next field. False at the end. */
  next(): boolean {
    if (this.isBroken || this.at >= this.message.length) return false;
    const tag = this.number();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    return !this.isBroken;
  }

  double(): number {
    const start = this.take(8);
    return start === -1 ? Number.NaN : new DataView(this.message.buffer, this.message.byteOffset + start, 8).getFloat64(0, true);
  }

  part(): Uint8Array {
    const length = this.number();
    const start = this.take(length);
    return start === -1 ? new Uint8Array(0) : this.message.subarray(start, start + length);
  }

  skip(): void {
    if (this.wireType === varint) this.number();
    else if (this.wireType === fixed64) this.take(8);
    else if (this.wireType === bytes) this.take(this.number());
    else if (this.wireType === fixed32) this.take(4);
    else this.isBroken = true;
  }

  private take(length: number): number {
    const start = this.at;
    if (this.isBroken || length > this.message.length - start) {
      this.isBroken = true;
      return -1;
    }
    this.at = start + length;
    return start;
  }

  /** A varint; of more than 53 bits only the size is wrong, and no field that is read has one. */
  private number(): number {
    let value = 0;
    for (let digit = 0; digit < 10; digit++) {
      const byte = this.message[this.at];
      if (byte === undefined) break;
      this.at++;
      value += (byte & 0x7f) * 2 ** (7 * digit);
      if (byte < 0x80) return value;
    }
    this.isBroken = true;
    return 0;
  }
}
