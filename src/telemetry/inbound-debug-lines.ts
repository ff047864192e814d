/**
 * The events of the way in as lines:
 *
 *   in #7 GET orders:8080/api/42 from spiffe://cluster.local/ns/shop/sa/web (10.0.0.9) → 403 denied rbac_access_denied_matched_policy[ns[shop]-policy[x]-rule[0]] in 0.4 ms
 *
 * `inbound:refused` and `inbound:access-log` have none: the line of the end says the same.
 */
import type { EventName, EventPayloads } from './events.ts';
import type { InboundEndEvent, InboundEvent, InboundPortEvent } from './inbound-events.ts';
import { milliseconds, printable } from './printable.ts';

/** Names of the events of the way in that have a line. */
export type InboundLineName = Exclude<
  Extract<EventName, `inbound:${string}` | `authorization:${string}`>,
  'inbound:refused' | 'inbound:access-log'
>;

/** `in #7 GET orders:8080/api/42 from spiffe://… (10.0.0.9)` */
function way(event: InboundEvent): string {
  const who =
    event.peer === undefined ? printable(event.peerAddress) : `${printable(event.peer)} (${printable(event.peerAddress)})`;
  const host = event.host === '' ? `:${event.port}` : printable(event.host);
  return `in #${event.inbound} ${printable(event.method)} ${host}${printable(event.path)} from ${who}`;
}

function end(event: InboundEndEvent): string {
  const words: string[] = [];
  if (event.status !== undefined) words.push(String(event.status));
  if (event.flags !== '-') words.push(event.flags);
  if (event.refusal !== undefined) words.push(event.refusal, printable(event.details));
  if (event.error !== undefined) words.push(event.error);
  return `${way(event)} → ${words.join(' ') || 'no response'} in ${milliseconds(event.durationMs)}`;
}

function port(what: (event: InboundPortEvent) => string): (event: InboundPortEvent) => string {
  return (event) => `port ${event.port} of ${printable(event.address)} ${what(event)}`;
}

/** The line of each event of the way in. */
export const inboundLines: { readonly [N in InboundLineName]: (event: EventPayloads[N]) => string } = {
  'inbound:end': end,
  'inbound:connection-refused': ({ port: at, peerAddress, reason, detail, peer, serverName }) =>
    `connection from ${peer === undefined ? '' : `${printable(peer)} at `}${printable(peerAddress)} to port ${at}${serverName === undefined ? '' : ` (${printable(serverName)})`} REFUSED: ${reason}${detail === undefined ? '' : `: ${printable(detail)}`}`,
  'inbound:listening': port(() => 'is open'),
  'inbound:draining': port(({ connections, requests }) => `drains: ${connections} connections, ${requests} requests under way`),
  'inbound:closed': port(({ connections, requests }) =>
    connections === 0 && requests === 0 ? 'is closed' : `is closed: ${connections} connections, ${requests} requests cut off`,
  ),
  'inbound:keys': ({ url, error, hasKeys }) =>
    error === undefined
      ? `keys of ${printable(url)} fetched`
      : `keys of ${printable(url)} NOT fetched: ${printable(error)}; ${hasKeys ? 'the last ones hold' : 'its tokens are refused'}`,
  'inbound:failed': (event) =>
    `${printable(event.method)} ${printable(event.path)} → the way in FAILED: ${printable(event.message)}${event.cause === undefined ? '' : ` (${printable(event.cause)})`}`,
  'inbound:authorizer-unanswered': (event) =>
    `${way(event)} → authorizer ${printable(event.authorizer)} said NOTHING (${printable(event.reason)}): ${event.wentOn ? 'it goes on all the same' : 'it is refused'}`,
  'authorization:shadow': (event) =>
    `${way(event)} → ${event.kind}: ${event.verdict === 'matched' ? 'matched' : `would be ${event.verdict}`}${event.policy === undefined ? '' : ` by ${printable(event.policy)}`}`,
};
