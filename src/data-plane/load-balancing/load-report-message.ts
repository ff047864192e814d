/** The wire form of `xds.data.orca.v3.OrcaLoadReport`: doubles, and maps to doubles. */
import type { LoadReport } from '../../model/contracts.ts';
import { ProtobufReader, ProtobufWriter } from '../../wire/protobuf.ts';
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

/** A report from its bytes; undefined when they are none. */
export function decodeLoadReport(message: Uint8Array): LoadReport | undefined {
  const report = emptyReport();
  const reader = new ProtobufReader(message);
  while (reader.next()) {
    const name = fieldNames[reader.field];
    if (name === undefined) continue;
    if (name === 'utilization' || name === 'named_metrics') {
      const entry = reader.bytes();
      const entries = name === 'utilization' ? report.utilization : report.namedMetrics;
      if (entry !== undefined && !readEntry(entry, entries)) return undefined;
      continue;
    }
    const value = reader.double();
    if (value === undefined) continue;
    if (!Number.isFinite(value)) return undefined;
    const key = reportFields[name];
    if (key !== undefined) report[key] = value;
  }
  return reader.isBroken ? undefined : report;
}

/** The bytes of a report; numbers that are 0 are left out. */
export function encodeLoadReport(report: LoadReport): Uint8Array {
  const writer = new ProtobufWriter();
  for (const [field, name] of Object.entries(fieldNames)) {
    const number = Number(field);
    if (name === 'utilization') writeEntries(writer, number, report.utilization);
    else if (name === 'named_metrics') writeEntries(writer, number, report.namedMetrics);
    else {
      const value = report[reportFields[name]!];
      if (value !== 0) writer.double(number, value);
    }
  }
  return writer.finish();
}

function writeEntries(writer: ProtobufWriter, field: number, entries: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(entries)) writer.message(field, new ProtobufWriter().text(1, name).double(2, value));
}

/** An entry of a map: 1 = name, 2 = number. */
function readEntry(message: Uint8Array, entries: ReportDraft['utilization']): boolean {
  const reader = new ProtobufReader(message);
  let name = '';
  let value = 0;
  while (reader.next()) {
    if (reader.field === 1) {
      const text = reader.bytes();
      if (text !== undefined) name = Buffer.from(text).toString('utf8');
    } else if (reader.field === 2) value = reader.double() ?? value;
  }
  if (reader.isBroken || !Number.isFinite(value)) return false;
  entries[name] = value;
  return true;
}
