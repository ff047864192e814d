import type { Message } from './message.ts';

/** What a `TransportSocket` says that it is. */
export interface NamedSocket {
  /** Undefined for one that is not known here. */
  readonly kind: 'tls' | 'raw_buffer' | undefined;
  /** The type of its configuration, else its own name. */
  readonly name: string;
  readonly config: Message | undefined;
}

/**
 * Which socket it is: by the type of its configuration, as in Envoy, else by its own name. Only whole names, and
 * those of one side: a word that is like one of them may be anything, and plaintext must never come of a guess.
 */
export function socketOf(socket: Message, side: 'Upstream' | 'Downstream'): NamedSocket {
  const own = socket.text('name') ?? '';
  const config = socket.any('typed_config');
  const name = config === undefined || config.type === '' ? own : config.type;
  return { kind: kindOf(name, side), name, config: config?.message };
}

const prefix = 'envoy.extensions.transport_sockets';

function kindOf(name: string, side: string): NamedSocket['kind'] {
  switch (name) {
    case `${prefix}.raw_buffer.v3.RawBuffer`:
    case 'envoy.transport_sockets.raw_buffer':
      return 'raw_buffer';
    case `${prefix}.tls.v3.${side}TlsContext`:
    case 'envoy.transport_sockets.tls':
      return 'tls';
    default:
      return undefined;
  }
}
