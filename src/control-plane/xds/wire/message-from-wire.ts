import type { Findings, Message } from '../translate/message.ts';
import { messageTypeOf } from './message-types.ts';
import { WireFields } from './wire-fields.ts';

/**
 * The message in bytes, such as an `envoy.config.cluster.v3.Cluster`; undefined, and a problem at `path`, for bytes that are none. It
 * reads from the bytes for as long as it is used: they may not change meanwhile. What was read of it (texts, numbers) is a copy.
 * Messages in it are looked at when they are asked for, and reported then.
 */
export function messageFromWire(bytes: Uint8Array, type: string, path: string, findings: Findings): Message | undefined {
  const messageType = messageTypeOf(type);
  if (messageType === undefined) throw new TypeError(`${type} is not in the table of messages`);
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields = WireFields.of(source, 0, source.length, messageType, 0);
  if (typeof fields !== 'string') return findings.read(fields, path);
  findings.problem(path, fields);
  return undefined;
}
