/** TLS of connections that come in (`DownstreamTlsContext`). */
import type { FilterChainConfig } from '../../../../model/listener.ts';
import type { Message } from '../message.ts';
import { tlsParametersFrom } from '../tls-parameters.ts';
import type { TlsSecrets } from '../tls-secrets.ts';
import { socketOf } from '../transport-socket.ts';
import { identityFrom, trustFrom } from '../upstream-tls.ts';

type DownstreamTls = NonNullable<FilterChainConfig['tls']>;

/** Certificate or roots that nobody delivers: every handshake fails. */
const notCarriedOut = 'not carried out: ';

/** Reads a `TransportSocket`; undefined = plaintext. */
export function downstreamSocketFrom(socket: Message | undefined, secrets: TlsSecrets): DownstreamTls | undefined {
  if (socket === undefined) return undefined;
  const { kind, name, config } = socketOf(socket, 'Downstream');
  if (kind === 'tls' && config !== undefined) return downstreamTlsFrom(config, secrets);
  config?.markRead();
  if (kind === 'raw_buffer') return undefined;
  socket.findings.problem(socket.path, `the transport socket ${name} is not known here; tls and raw_buffer are`);
  return undefined;
}

function downstreamTlsFrom(message: Message, secrets: TlsSecrets): DownstreamTls {
  const common = message.message('common_tls_context');
  message.skip(
    'session_timeout',
    'disable_stateless_session_resumption',
    'disable_stateful_session_resumption',
    'prefer_client_ciphers',
  );
  for (const name of ['session_ticket_keys', 'session_ticket_keys_sds_secret_config']) {
    if (!message.has(name)) continue;
    message.message(name)?.markRead();
    message.note(name, 'keys of session tickets are of this process alone');
  }
  const identity = common && identityFrom(common, secrets);
  if (identity === undefined) message.problem('common_tls_context', 'must name a certificate');
  const requireClientCertificate = message.flag('require_client_certificate') === true;
  const validation = common && trustFrom(common, secrets);
  const unverified = unverifiedReason(message, requireClientCertificate, validation?.trust);
  const trust = unverified === undefined ? validation?.trust : secrets.refer(`${notCarriedOut}${unverified}`);
  return {
    identity: identity ?? `${notCarriedOut}certificate`,
    ...(trust !== undefined && { trust }),
    // A client without a certificate would pass the test that is not carried out.
    requireClientCertificate: requireClientCertificate || trust?.startsWith(notCarriedOut) === true,
    peers: validation?.peers ?? [],
    alpn: common?.texts('alpn_protocols') ?? [],
    ...(common && tlsParametersFrom(common)),
  };
}

/** What would accept anybody's certificate, or nobody's. */
function unverifiedReason(message: Message, isRequired: boolean, trust: string | undefined): string | undefined {
  if (message.flag('require_sni') === true) {
    message.note('require_sni', 'is not carried out, so that every connection fails');
    return 'require_sni';
  }
  if (!isRequired || trust !== undefined) return undefined;
  message.note('require_client_certificate', 'there are no roots to verify it against, so that every connection fails');
  return 'require_client_certificate';
}
