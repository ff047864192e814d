/**
 * The fields of one message, wherever they stand: in an object of JSON or in bytes. Names are those of the `.proto` files
 * (`connect_timeout`). Whoever holds them remembers which of them were read.
 */
export interface MessageFields {
  /** Whether the field is there. */
  has(name: string): boolean;
  /** The field in the form that JSON has for it, which counts as read; undefined when it is not there. A symbol says what is wrong. */
  value(name: string): unknown;
  /** The field, which is bytes; undefined when it is not there, and a text that says why it is none. It counts as read. */
  bytes(name: string): Uint8Array | string | undefined;
  /** The message in a field, which counts as read; a text says why there is none, undefined that the value is no message at all. */
  part(name: string): MessageFields | string | undefined;
  /** Those in a list; undefined when the value is no list. It counts as read. */
  parts(name: string): readonly (MessageFields | string | undefined)[] | undefined;
  /** The name of a field as it is written here. */
  spelled(name: string): string;
  /** Names of the fields that are there, as they are written. */
  names(): readonly string[];
  markRead(name: string): void;
  markAllRead(): void;
  /** Names, as they are written, of the fields that nobody read and whose value is not the default. */
  unread(): readonly string[];
}
