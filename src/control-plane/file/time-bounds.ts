/** Times that `timeoutMs` cuts off before they pass, where they are longer. */
import type { DefaultsFile, ServiceFile } from './schema.ts';

/** Where the times stand; all of them begin with or after `timeoutMs`. */
const bounded: readonly (readonly [string, ...string[]])[] = [
  ['retry', 'perTryTimeoutMs'],
  ['retry', 'perTryIdleTimeoutMs'],
  ['hedge', 'delayMs'],
  ['hedge', 'backup', 'minDelayMs'],
  ['responseTimeoutMs'],
  ['streamIdleTimeoutMs'],
  ['maxStreamDurationMs'],
  ['limits', 'pendingTimeoutMs'],
];

/** A time that never passes. */
export interface CutTime {
  readonly path: readonly string[];
  readonly value: number;
}

/** The times in `policy` that are longer than `timeoutMs`; none where that is 0 = no limit. */
export function cutTimes(policy: Partial<DefaultsFile> | ServiceFile, timeoutMs: number): CutTime[] {
  if (timeoutMs === 0) return [];
  return bounded.flatMap((path) => {
    const value = path.reduce<unknown>((part, key) => (part as Readonly<Record<string, unknown>> | undefined)?.[key], policy);
    return typeof value === 'number' && value > timeoutMs ? [{ path, value }] : [];
  });
}
