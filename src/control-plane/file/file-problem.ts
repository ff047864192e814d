import { MeshError } from '../../base/errors.ts';

/** Where a value stands in the file: keys and indexes from the root. */
export type FilePath = readonly (string | number)[];

/** One mistake in a configuration. */
export interface FileProblem {
  readonly path: FilePath;
  /** What was found and what would be right. */
  readonly reason: string;
  /** Whether the key itself is the mistake rather than its value. */
  readonly atKey?: boolean;
}

/** A mistake as it is reported: with its place in the text, when there is a text. */
export interface ReportedProblem {
  /** `services.orders.retry.on[1]`; empty for the file as a whole. */
  readonly path: string;
  /** The service that it belongs to. */
  readonly service?: string;
  readonly reason: string;
  readonly line?: number;
  readonly column?: number;
}

/** `services.orders.retry.on[1]`; keys that are no plain words are quoted. */
export function pathText(path: FilePath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w*-]{1,128}$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${shown(step)}]`;
  }
  return text;
}

/** A value for a message: one line, short, and never PEM text that was pasted in the wrong place. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') {
    const keys = Object.keys(value).slice(0, 3).map(shown);
    return keys.length === 0
      ? 'an empty mapping'
      : `a mapping with ${keys.join(', ')}${Object.keys(value).length > 3 ? ' …' : ''}`;
  }
  if (typeof value !== 'string') return `${value as number | boolean | bigint}`;
  if (value.includes('-----BEGIN')) return 'PEM text';
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}

const listedProblems = 50;

/** Where the search for mistakes ends: a file with more is of another kind or was made by a broken program. */
export const maxProblems = 100;

/** `MESH_CONFIG_INVALID` that lists the mistakes one a line; the first `maxProblems` of them are in `details.problems`. */
export function configInvalid(source: string, problems: readonly ReportedProblem[]): MeshError {
  const most = problems.length >= maxProblems ? 'at least ' : '';
  const count = problems.length === 1 ? 'a mistake' : `${most}${problems.length} mistakes`;
  const lines = problems.slice(0, listedProblems).map((problem) => `  ${problemText(source, problem)}`);
  if (problems.length > listedProblems) lines.push(`  … and ${problems.length - listedProblems} more`);
  return new MeshError('MESH_CONFIG_INVALID', `${source} has ${count}:\n${lines.join('\n')}`, { details: { source, problems } });
}

/** `services.orders.timeoutMs (mesh.yaml:4:16): found -1; expected …`. */
function problemText(source: string, { path, reason, line, column }: ReportedProblem): string {
  const place = line === undefined ? '' : `${source}:${line}:${column}`;
  if (path === '') return place === '' ? reason : `${place}: ${reason}`;
  return place === '' ? `${path}: ${reason}` : `${path} (${place}): ${reason}`;
}
