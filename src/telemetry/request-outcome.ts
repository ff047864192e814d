import type { FailureType } from './events.ts';

/** How a request ended. */
export interface RequestOutcome {
  readonly status?: number | undefined;
  readonly error?: FailureType | undefined;
  /** Of the MeshError; default: what `error` says, `-` without one. */
  readonly flags?: string | undefined;
  /** Response code details; default: what `error` says, `via_upstream` without one. */
  readonly details?: string | undefined;
  /** For the reader of a failed span; never with credentials. */
  readonly message?: string | undefined;
}
