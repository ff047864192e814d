/** Metadata (`config.core.v3.Metadata`): structured values by the name space of the filter that reads them. */
import type { Metadata, MetadataValue } from '../../../model/tls.ts';
import type { Message } from './message.ts';
import { printed } from './printed.ts';

const topLevel: ReadonlySet<string> = new Set(['envoy.lb', 'envoy.transport_socket_match']);

/**
 * Reads a `Metadata`. What subsets and TLS matches select by (`envoy.lb`, `envoy.transport_socket_match`) comes to the top, other
 * name spaces keep their name as a key. Undefined when there is none.
 */
export function metadataFrom(message: Message | undefined): Metadata | undefined {
  const spaces = message && structFrom(message, 'filter_metadata');
  if (message?.has('typed_filter_metadata') === true)
    message.note('typed_filter_metadata', 'is for filters that are not part of this');
  if (spaces === undefined) return undefined;
  const metadata: Record<string, MetadataValue> = {};
  for (const [space, values] of Object.entries(spaces)) {
    if (topLevel.has(space) && isMapping(values)) Object.assign(metadata, values);
    else metadata[space] = values;
  }
  return metadata;
}

/** The values of one name space alone; undefined when there are none. */
export function metadataOf(message: Message | undefined, space: string): Metadata | undefined {
  const spaces = message && structFrom(message, 'filter_metadata');
  const values = spaces?.[space];
  for (const other of Object.keys(spaces ?? {}))
    if (other !== space)
      message!.findings.note(`${message!.at('filter_metadata')}[${JSON.stringify(other)}]`, 'nothing reads it');
  return values !== undefined && isMapping(values) ? values : undefined;
}

/** Reads a `google.protobuf.Struct`. */
export function structFrom(message: Message, name: string): Metadata | undefined {
  const value = message.raw(name);
  if (value === undefined) return undefined;
  if (isMapping(value)) return value;
  message.problem(name, `must be an object, not ${printed(value)}`);
  return undefined;
}

function isMapping(value: unknown): value is Readonly<Record<string, MetadataValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
