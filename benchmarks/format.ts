import type { Estimate } from './statistics.ts';

/** `0.98 (0.96–1.01)`: median and interval. */
export function formatRatio({ value, lower, upper }: Estimate): string {
  if (!Number.isFinite(upper)) return value.toFixed(2);
  return `${value.toFixed(3)} (${lower.toFixed(2)}–${upper.toFixed(2)})`;
}

export function formatMicros(micros: number): string {
  return micros.toFixed(1);
}

/** Three digits where they mean something. */
export function formatNanos(nanos: number): string {
  return nanos < 10 ? nanos.toFixed(1) : nanos.toFixed(0);
}

export function formatBytes(bytes: number): string {
  return Math.round(bytes).toLocaleString('en-US');
}

export function formatPercent(percent: number): string {
  return `${percent.toFixed(1)} %`;
}

/** Columns under each other. */
export function textTable(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const rows = [head, ...lines];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The same for a Markdown file. */
export function markdownTable(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...lines.map(row)].join('\n');
}
