/** Which connections a filter chain is for (`FilterChainMatch`). */
import type { FilterChainConfig } from '../../../../model/listener.ts';
import type { Message } from '../message.ts';
import { cidrFrom } from './access-rules.ts';

/** The conditions of a chain. */
export interface ChainMatch {
  /** Port of the app that the connection was meant for. */
  readonly port: number | undefined;
  readonly match: FilterChainConfig['match'];
  /** Conditions that cannot be tested. */
  readonly missing: readonly string[];
}

/** Reads a `FilterChainMatch`. */
export function chainMatchFrom(message: Message | undefined): ChainMatch {
  if (message === undefined) return { port: undefined, match: {}, missing: [] };
  const port = message.whole('destination_port', 1, 65_535);
  const transport = message.name('transport_protocol');
  const alpn = message.texts('application_protocols');
  const serverNames = message.texts('server_names').map((name) => name.toLowerCase());
  const sourceCidrs = message.messages('source_prefix_ranges').map(cidrFrom);
  const destinationCidrs = message.messages('prefix_ranges').map(cidrFrom);
  const source = message.choice('source_type', ['ANY', 'SAME_IP_OR_LOOPBACK', 'EXTERNAL']) ?? 'ANY';
  const missing = ['source_ports', 'direct_source_prefix_ranges', 'address_suffix'].filter((name) => message.has(name));
  for (const name of missing) message.raw(name);
  if (message.has('direct_source_prefix_ranges')) message.messages('direct_source_prefix_ranges').forEach(cidrFrom);
  message.skip('suffix_len');
  if (transport !== undefined && transport !== 'tls' && transport !== 'raw_buffer') missing.push('transport_protocol');
  for (const name of missing) message.note(name, 'is not tested, so that the chain refuses every request');
  return {
    port,
    match: {
      ...(transport === 'tls' && { transport: 'tls' as const }),
      ...(transport === 'raw_buffer' && { transport: 'plaintext' as const }),
      ...(alpn.length > 0 && { alpn }),
      ...(serverNames.length > 0 && { serverNames }),
      ...(sourceCidrs.length > 0 && { sourceCidrs }),
      ...(destinationCidrs.length > 0 && { destinationCidrs }),
      ...(source !== 'ANY' && { source: source === 'EXTERNAL' ? ('external' as const) : ('local' as const) }),
    },
    missing,
  };
}
