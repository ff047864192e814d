/**
 * Reads what a server says of its load (ORCA): `endpoint-load-metrics` with a word in front that says in which form, and
 * `endpoint-load-metrics-bin`, which gRPC servers send in their trailers. Source: gRFC A51, Envoy `orca_parser.cc`,
 * `xds.data.orca.v3.OrcaLoadReport`.
 *
 * A server writes it, so nothing of it is trusted: a report that cannot be read, or has a number that is none, is no report, and
 * never an error. Names that are not known are passed over: a newer server may say more.
 */
import type { LoadReport } from '../../model/contracts.ts';
import { emptyReport, reportFields, type ReportDraft } from './load-report-draft.ts';
import { decodeLoadReport } from './load-report-message.ts';

/** Headers or trailers, names in lower case. */
export type ReportHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The load report in the headers or trailers of a response; undefined when there is none that can be read. */
export function loadReportFrom(headers: ReportHeaders): LoadReport | undefined {
  const binary = headers['endpoint-load-metrics-bin'];
  if (binary !== undefined) return decodeBinary(firstOf(binary));
  const value = headers['endpoint-load-metrics'];
  if (value === undefined) return undefined;
  const text = firstOf(value);
  const format = text.slice(0, 5);
  if (format === 'TEXT ') return parseText(text.slice(5));
  if (format === 'JSON ') return parseJson(text.slice(5));
  return text.startsWith('BIN ') ? decodeBinary(text.slice(4)) : undefined;
}

function firstOf(value: string | readonly string[]): string {
  return typeof value === 'string' ? value : (value[0] ?? '');
}

function decodeBinary(text: string): LoadReport | undefined {
  return decodeLoadReport(Buffer.from(text, 'base64'));
}

/** `cpu_utilization=0.3, named_metrics.queue=4`; a colon for the equals sign too, as older servers write it. */
function parseText(text: string): LoadReport | undefined {
  const report = emptyReport();
  const seen = new Set<string>();
  for (const entry of text.split(',')) {
    if (entry.trim() === '') continue;
    const sign = entry.search(/[=:]/);
    if (sign === -1) return undefined;
    const name = entry.slice(0, sign).trim();
    if (seen.has(name)) return undefined;
    seen.add(name);
    if (!setMetric(report, name, entry.slice(sign + 1).trim())) return undefined;
  }
  return seen.size === 0 ? undefined : report;
}

/** False for a value that is no number. */
function setMetric(report: ReportDraft, name: string, text: string): boolean {
  const value = text === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) return false;
  if (Object.hasOwn(reportFields, name)) report[reportFields[name]!] = value;
  else if (name.startsWith('named_metrics.')) report.namedMetrics[name.slice('named_metrics.'.length)] = value;
  else if (name.startsWith('utilization.')) report.utilization[name.slice('utilization.'.length)] = value;
  return true;
}

/** The message in the JSON form of protobuf: names in either spelling, numbers as texts too. */
function parseJson(text: string): LoadReport | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(parsed)) return undefined;
  const report = emptyReport();
  for (const [key, value] of Object.entries(parsed)) {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (name === 'named_metrics' || name === 'utilization') {
      if (!isRecord(value)) return undefined;
      for (const [metric, number] of Object.entries(value))
        if (!setMetric(report, `${name}.${metric}`, numberText(number))) return undefined;
    } else if (Object.hasOwn(reportFields, name) && !setMetric(report, name, numberText(value))) return undefined;
  }
  return report;
}

function numberText(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value).trim() : '';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
