import { ConnectError } from '../transport/connect-error.ts';

/** What one check found. */
export type CheckVerdict =
  | { readonly kind: 'passed'; readonly isDegraded: boolean }
  /** The endpoint answered, and not as it should: one such answer is enough, unless it is one that only counts. */
  | { readonly kind: 'answer'; readonly reason: string; readonly onlyCounts: boolean }
  /** No connection, or it broke off. */
  | { readonly kind: 'network'; readonly reason: string }
  | { readonly kind: 'timeout'; readonly reason: string }
  /** It was not asked, for want of something on our side (sockets, a certificate): says nothing about the endpoint. */
  | { readonly kind: 'unasked'; readonly reason: string };

/** Asks one endpoint how it is, over a connection of its own. */
export interface HealthProbe {
  /** Begins a check. Answers once, maybe before it returns, and not at all after {@link HealthProbe.close}. Never throws. */
  begin(onVerdict: (verdict: CheckVerdict) => void): void;
  /** Closes the connection, and with it the check under way. The next check makes a new one. */
  close(): void;
  /** Whether it holds a connection that the next check can use. */
  readonly isConnected: boolean;
}

/** The verdict on something that went wrong on the way. */
export function failedOnTheWay(error: unknown): CheckVerdict {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof ConnectError) {
    if (error.kind === 'local-resource' || error.kind === 'no-identity') return { kind: 'unasked', reason };
    if (error.kind === 'timeout') return { kind: 'timeout', reason };
  }
  return { kind: 'network', reason };
}

/** The endpoint answered, and not as it should. */
export function answered(reason: string, onlyCounts = false): CheckVerdict {
  return { kind: 'answer', reason, onlyCounts };
}
