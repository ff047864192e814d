import type { EventEmitter } from 'node:events';
import { meshRequest } from './call-context.ts';

/** A call that streams until its caller or somebody here ends it. */
export type LongCall = EventEmitter & Parameters<typeof meshRequest>[0];

/**
 * Calls back once, when the port that the call came to begins to drain; at once when it does already, and never when the call is over
 * before. Never for a call that came another way.
 */
export function onDraining(call: LongCall, listener: () => void): void {
  const draining = meshRequest(call)?.draining;
  if (draining === undefined) return;
  if (draining.aborted) listener();
  else {
    draining.addEventListener('abort', listener, { once: true });
    call.once('close', () => draining.removeEventListener('abort', listener));
    call.once('cancelled', () => draining.removeEventListener('abort', listener));
  }
}

/** UNAVAILABLE: the caller asks another server. */
export const goingAway = Object.freeze({ code: 14, details: 'the server is going away' });
