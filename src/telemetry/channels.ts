/**
 * The channels of the events. A subscriber that throws cannot break a request: `publish` of node:diagnostics_channel catches, and
 * raises the error as an uncaught exception on the next tick (test: "a throwing subscriber …"). Channels are global by name, so
 * several copies of this package in one process publish on the same ones.
 */
import { channel, subscribe as subscribeChannel, unsubscribe } from 'node:diagnostics_channel';
import type { Channel } from 'node:diagnostics_channel';
import { eventTable } from './event-table.ts';
import type { EventName, EventPayloads } from './events.ts';

/** Name of an event → its channel. The reference also keeps the channel from being collected and made anew. */
export const channels = Object.fromEntries(
  Object.keys(eventTable).map((name) => [name, channel(`meshfetch:${name}`)]),
) as unknown as Readonly<Record<EventName, Channel>>;

/** Calls `listener` with each event of that name, of every mesh in the process; returns what ends that. */
export function subscribe<N extends EventName>(name: N, listener: (event: EventPayloads[N]) => void): () => void {
  const onMessage = (message: unknown): void => listener(message as EventPayloads[N]);
  subscribeChannel(`meshfetch:${name}`, onMessage);
  return () => unsubscribe(`meshfetch:${name}`, onMessage);
}
