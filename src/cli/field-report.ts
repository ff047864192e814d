/** The per-field report of `meshfetch validate`: what of each resource is carried out, what has no effect, and what is refused. */
import { styleText } from 'node:util';

/** A field and what is said about it. */
export interface FieldFinding {
  readonly path: string;
  readonly reason: string;
}

/** One resource. */
export interface ResourceReport {
  /** Such as `Listener` or `VirtualService`. */
  readonly type: string;
  readonly name: string;
  /** Paths of the fields that are carried out. */
  readonly carriedOut: readonly string[];
  /** What is understood, and has no effect. */
  readonly withoutEffect: readonly FieldFinding[];
  /** What a mesh would refuse, and what would make requests fail. */
  readonly refused: readonly FieldFinding[];
  /** Of fields that are carried out, what there is to know about them. */
  readonly notes: readonly FieldFinding[];
  /** What is carried out, and may not be meant. */
  readonly warnings: readonly FieldFinding[];
}

/** How the report is printed. */
export interface ReportStyle {
  readonly colours: boolean;
  /** The fields that are carried out are listed too. */
  readonly all: boolean;
}

/** One step of a path: `.name`, or `["any other"]`. */
export function pathStep(key: string): string {
  return /^[\w-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** The report as text: a line for the file, a heading for each resource that has something to say, a row for each field. */
export function reportText(file: string, what: string, reports: readonly ResourceReport[], style: ReportStyle): string {
  const paint = (colour: 'red' | 'yellow' | 'green' | 'bold', text: string): string =>
    style.colours ? styleText(colour, text, { validateStream: false }) : text;
  const total = (count: (report: ResourceReport) => number): number => reports.reduce((sum, report) => sum + count(report), 0);
  const carried = total(({ carriedOut }) => carriedOut.length);
  const without = total(({ withoutEffect }) => withoutEffect.length);
  const refused = total((report) => report.refused.length);
  const warned = total(({ warnings }) => warnings.length);
  const lines = [
    `${file}: ${counted(reports.length, 'resource')} of ${what}: ${[
      paint('green', `${counted(carried, 'field')} carried out`),
      paint(without > 0 ? 'yellow' : 'green', `${without} without effect`),
      paint(refused > 0 ? 'red' : 'green', `${refused} refused`),
      ...(warned > 0 ? [paint('yellow', counted(warned, 'warning'))] : []),
    ].join(', ')}`,
  ];
  for (const report of reports) {
    const rows = rowsOf(report, style.all);
    if (rows.length === 0) continue;
    lines.push('', paint('bold', `${report.type}${report.name === '' ? '' : ` ${report.name}`}`));
    const width = Math.min(72, Math.max(...rows.map(([, path]) => path.length)));
    for (const [verdict, path, reason] of rows) {
      const colour = verdict === 'refused' ? 'red' : verdict === 'carried out' ? 'green' : 'yellow';
      lines.push(`  ${paint(colour, verdict.padEnd(14))}  ${reason === '' ? path : `${path.padEnd(width)}  ${reason}`}`);
    }
  }
  return lines.join('\n');
}

type Row = readonly [verdict: 'refused' | 'warning' | 'without effect' | 'carried out', path: string, reason: string];

function rowsOf({ carriedOut, withoutEffect, refused, notes, warnings }: ResourceReport, all: boolean): readonly Row[] {
  const noted = new Set(notes.map(({ path }) => path));
  const shown = (path: string): string => (path === '' ? '(all of it)' : path);
  return [
    ...refused.map(({ path, reason }): Row => ['refused', shown(path), reason]),
    ...warnings.map(({ path, reason }): Row => ['warning', shown(path), reason]),
    ...withoutEffect.map(({ path, reason }): Row => ['without effect', shown(path), reason]),
    ...notes.map(({ path, reason }): Row => ['carried out', path, reason]),
    ...(all ? carriedOut.filter((path) => !noted.has(path)).map((path): Row => ['carried out', path, '']) : []),
  ];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
