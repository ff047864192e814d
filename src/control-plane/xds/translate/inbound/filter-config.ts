/** One filter of a chain, and where its configuration comes from. */
import type { Message } from '../message.ts';
import { typedMessage, type TypedMessage } from '../typed-message.ts';

/** A filter as it stands in a chain. */
export interface FilterEntry {
  readonly name: string;
  readonly message: Message;
  /** Undefined while it is delivered apart (ECDS) and not there. */
  readonly config: TypedMessage | undefined;
  /** Whether the chain may go on without it. */
  readonly isOptional: boolean;
  /** Off, unless a route switches it on. */
  readonly isDisabled: boolean;
}

/** Reads a `HttpFilter` or a network `Filter`. */
export function filterEntry(message: Message, extension: ((name: string) => Message | undefined) | undefined): FilterEntry {
  const name = message.text('name') ?? '';
  const discovery = message.message('config_discovery');
  const delivered = discovery && deliveredConfig(discovery, name, extension);
  const own = message.any('typed_config') ?? (discovery === undefined ? { type: '', message } : undefined);
  return {
    name,
    message,
    config: discovery === undefined ? own : delivered,
    isOptional: message.flag('is_optional') === true,
    isDisabled: message.flag('disabled') === true,
  };
}

function deliveredConfig(
  discovery: Message,
  name: string,
  extension: ((name: string) => Message | undefined) | undefined,
): TypedMessage | undefined {
  discovery.skip('config_source', 'type_urls', 'apply_default_config_without_warming');
  const fallback = discovery.message('default_config');
  const resource = extension?.(name);
  if (resource !== undefined) {
    fallback?.markRead();
    return resource.has('typed_config') ? resource.any('typed_config') : typedMessage(resource);
  }
  return fallback && typedMessage(fallback);
}
