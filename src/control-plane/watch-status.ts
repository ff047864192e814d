import type { ControlPlaneStatus } from '../model/contracts.ts';

/** The state of a source that runs several watches, as one status. */
export interface StatusBoard {
  /** The state of one watch. `watch` names it in the merged error. */
  set(watch: string, status: ControlPlaneStatus): void;
  /** The watch is over. */
  delete(watch: string): void;
}

/** Errors that are spelt out; of further ones only the number is given. */
const maxErrors = 3;

/**
 * Merges the states of watches: the source is connected when any of them is (one service that a token may not read is no outage),
 * and its error names those that are in trouble. `report` is called only when the merged status changed.
 */
export function createStatusBoard(report: (status: ControlPlaneStatus) => void): StatusBoard {
  const watches = new Map<string, ControlPlaneStatus>();
  let last = '';
  const update = (): void => {
    if (watches.size === 0) return;
    const merged = mergeStatuses(watches.values());
    const text = `${merged.state} ${merged.error ?? ''}`;
    if (text === last) return;
    last = text;
    report(merged);
  };
  return {
    set(watch, status) {
      watches.set(watch, status);
      update();
    },
    delete(watch) {
      if (watches.delete(watch)) update();
    },
  };
}

function mergeStatuses(statuses: Iterable<ControlPlaneStatus>): ControlPlaneStatus {
  const states = new Set<ControlPlaneStatus['state']>();
  const errors = new Set<string>();
  for (const { state, error } of statuses) {
    states.add(state);
    if (error !== undefined) errors.add(error);
  }
  const state = (['connected', 'disconnected', 'connecting', 'failed'] as const).find((candidate) => states.has(candidate));
  const shown = [...errors].slice(0, maxErrors);
  if (errors.size > maxErrors) shown.push(`and ${errors.size - maxErrors} more`);
  return { state: state ?? 'connecting', ...(shown.length > 0 && { error: shown.join('; ') }) };
}
