import type { InboundListenerConfig } from '../../../../model/listener.ts';
import type { Surroundings } from '../format.ts';
import type { Message } from '../message.ts';
import type { TlsSecrets } from '../tls-secrets.ts';

/** What a way in is read with. */
export interface InboundOptions {
  readonly surroundings?: Surroundings;
  /** Collects the certificates and roots of its TLS contexts. */
  readonly tls: TlsSecrets;
  /** Configuration of a filter that is delivered apart (ECDS); undefined while it is not there. */
  readonly extension?: (name: string) => Message | undefined;
}

/**
 * Whether a `Listener` is a way in: by its `traffic_direction`, or by the names that gRPC servers ask for theirs with (gRFC A36;
 * Istio's agent without a proxy).
 */
export function isInbound(message: Message): boolean {
  const direction = message.raw('traffic_direction');
  if (direction === 'INBOUND' || direction === 1) return true;
  const name = message.text('name') ?? '';
  return /^grpc\/server(\?|$)|xds\.resource\.listening_address=|^xds\.istio\.io\/grpc\/lds\/inbound\//.test(name);
}

/**
 * Reads a way in. One listener of Envoy may serve many ports of the app (Istio's `virtualInbound`): each that has filter chains of its
 * own is a listener here, named `<name>/<port>`; the one without a port is for all others. Route tables that are delivered apart are
 * named in the chains' `routes`.
 */
export function inboundListenersFrom(message: Message, _options: InboundOptions): readonly InboundListenerConfig[] {
  message.problem('traffic_direction', 'ways in are not read yet');
  return [];
}
