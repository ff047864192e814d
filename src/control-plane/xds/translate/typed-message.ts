import type { Message } from './message.ts';

/** A value of an `Any`: what it is, by the last part of its type's URL, and its fields. */
export interface TypedMessage {
  /** Such as `envoy.extensions.filters.http.fault.v3.HTTPFault`; `''` when the JSON does not say. */
  readonly type: string;
  readonly message: Message;
}

/** What a message in an `Any` is. */
export function typedMessage(message: Message): TypedMessage {
  const type = shortType(message.text('@type') ?? '');
  if (!/^(xds\.type|udpa\.type)\.v\d\.TypedStruct$/.test(type)) return { type, message };
  const inner = message.message('value') ?? message;
  return { type: shortType(message.text('type_url') ?? ''), message: inner };
}

/** Which extension it is, such as `previous_hosts`: by the type of its configuration, as in Envoy, else by the end of its name. */
export function extensionOf(message: Message, config: TypedMessage | undefined): string {
  const name = message.text('name') ?? '';
  const ofType = /\.(\w+)\.v\d+(?:alpha|beta)?\d*\.\w+$/.exec(config?.type ?? '')?.[1];
  return ofType ?? name.slice(name.lastIndexOf('.') + 1);
}

function shortType(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}
