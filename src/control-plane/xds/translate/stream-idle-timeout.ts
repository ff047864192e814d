import type { Message } from './message.ts';

/** Envoy's own value. */
const defaultIdleMs = 300_000;

/** `stream_idle_timeout` of a connection manager, 5 minutes where it does not say. Source: Envoy `HttpConnectionManager`. */
export function streamIdleMsOf(manager: Message): number {
  return manager.durationMs('stream_idle_timeout') ?? defaultIdleMs;
}
