/**
 * TLS to a cluster's endpoints (`UpstreamTlsContext`). The model names certificates and roots and never holds them: secrets of SDS
 * keep their names, certificate providers get `provider:<name>`, and what stands in the configuration itself is handed on beside it.
 */
import type { SanMatcher, SecretRef, UpstreamTls, UpstreamTlsMatch } from '../../../model/tls.ts';
import { namedFile } from './data-source.ts';
import type { Message } from './message.ts';
import { structFrom } from './metadata.ts';
import { certificateFrom } from './tls-material.ts';
import { tlsParametersFrom } from './tls-parameters.ts';
import { isRefusedName, reservedName, type TlsSecrets } from './tls-secrets.ts';
import { socketOf } from './transport-socket.ts';
import { providerName, validationFrom, type Validation } from './validation-context.ts';

/**
 * Reads a `TransportSocket`; undefined = plaintext, because there is none. Through a socket that is not known here no connection is made:
 * plaintext, or other TLS, would be weaker than what was asked for.
 */
export function transportSocketFrom(socket: Message | undefined, secrets: TlsSecrets): UpstreamTls | undefined {
  if (socket === undefined) return undefined;
  const { kind, name, config } = socketOf(socket, 'Upstream');
  if (kind === 'raw_buffer') return { mode: 'disabled' };
  if (kind === 'tls' && config !== undefined) return tlsFrom(config, secrets);
  config?.markRead();
  socket.findings.note(socket.path, `the transport socket ${name} is not carried out, so that every connection fails`);
  return refusedTls(name, secrets);
}

/** TLS under which no connection comes about: its roots are never delivered. */
function refusedTls(what: string, secrets: TlsSecrets): UpstreamTls {
  return { mode: 'simple', trust: secrets.refuse(what), peers: [] };
}

/** Reads `transport_socket_matches`. */
export function tlsMatchesFrom(matches: readonly Message[], secrets: TlsSecrets): readonly UpstreamTlsMatch[] {
  return matches.map((match, index) => {
    const socket = match.message('transport_socket');
    // It is not plaintext, which has a socket of its own. Envoy refuses it, too.
    if (socket === undefined) match.problem('transport_socket', 'must be there; for plaintext name raw_buffer');
    return {
      name: match.text('name') ?? `match-${index}`,
      metadata: structFrom(match, 'match') ?? {},
      tls: transportSocketFrom(socket, secrets) ?? refusedTls('transport_socket', secrets),
    };
  });
}

function tlsFrom(message: Message, secrets: TlsSecrets): UpstreamTls {
  const common = message.message('common_tls_context');
  const sni = message.name('sni');
  message.skip('max_session_keys', 'enforce_rsa_key_usage');
  common?.skip('key_log', 'read_ahead_buffer_size');
  for (const name of ['custom_handshaker', 'custom_tls_certificate_selector']) {
    if (common?.has(name) !== true) continue;
    message.markRead();
    common.markRead();
    common.note(name, 'is not carried out, so that every connection fails');
    return refusedTls(name, secrets);
  }
  if (message.flag('allow_renegotiation') === true) message.note('allow_renegotiation', 'nothing is renegotiated');
  if (message.flag('auto_host_sni') === true)
    message.note('auto_host_sni', 'the server name is the one in sni, else the host that was asked for');
  const identity = common && identityFrom(common, secrets);
  const validation = common && trustFrom(common, secrets);
  const peers = peersOf(message, sni, validation);
  const alpn = common?.texts('alpn_protocols') ?? [];
  return {
    mode: identity === undefined ? 'simple' : 'mutual',
    ...(identity !== undefined && { identity }),
    ...(validation?.trust !== undefined && { trust: validation.trust }),
    ...(sni !== undefined && { sni }),
    ...(alpn.length > 0 && { alpn }),
    peers,
    ...(common && tlsParametersFrom(common)),
  };
}

/**
 * Whose certificate is accepted. Where no name is asked for, Envoy accepts whoever the roots do, and Istio asks for none while it knows
 * no identity of a service: then it is any SPIFFE identity of these roots, and any certificate that names the server.
 */
function peersOf(message: Message, sni: string | undefined, validation: Validation | undefined): readonly SanMatcher[] {
  // "Replaces any Subject Alternative Name (SAN) validations with a validation for a DNS SAN matching the SNI value sent."
  if (message.flag('auto_sni_san_validation') === true) return [];
  const { trust, peers = [], isByValidator = false } = validation ?? {};
  if (peers.length > 0 || isRefusedName(trust)) return peers;
  const place = message.at('common_tls_context');
  const named = `asks for no name of the peer${trust === undefined ? ' and for no roots' : ''}: its certificate must`;
  if (sni === undefined || trust === undefined) {
    message.findings.note(place, `${named} name the server and be trusted, all the same`);
    return [];
  }
  const anyId: SanMatcher = { kind: 'uri', match: 'prefix', value: 'spiffe://' };
  // SPIFFE's validator takes nobody without an ID of one of its trust domains.
  if (isByValidator) return [anyId];
  message.findings.note(place, `${named} name the server, all the same, or have a SPIFFE ID`);
  return [anyId, { kind: 'dns', match: 'exact', value: sni }];
}

/** Name of a secret of SDS. */
function secretName(config: Message | undefined, secrets: TlsSecrets): SecretRef | undefined {
  config?.skip('sds_config');
  const name = config?.name('name');
  if (config !== undefined && name === undefined) config.problem('name', 'must be the name of a secret');
  const reserved = name === undefined || secrets.files === 'name' ? undefined : reservedName(name);
  if (reserved !== undefined) config!.problem('name', reserved);
  return name === undefined ? undefined : secrets.referToServer(name);
}

/** Name of the certificate that a `CommonTlsContext` shows. */
export function identityFrom(common: Message, secrets: TlsSecrets): SecretRef | undefined {
  const older = common.message('tls_certificate_certificate_provider_instance');
  // Servers send both, for clients of all ages.
  older?.markRead();
  const provider = common.message('tls_certificate_provider_instance') ?? older;
  const inline = common.messages('tls_certificates');
  const named = common.messages('tls_certificate_sds_secret_configs');
  if (provider !== undefined) return providerName(provider, secrets);
  const field = inline.length > 0 ? 'tls_certificates' : 'tls_certificate_sds_secret_configs';
  if (inline.length + named.length > 1 && (inline.length > 1 || inline.length === 0))
    common.note(field, 'the first certificate is used, the others are not');
  const [first] = inline;
  if (first === undefined) return named.map((config) => secretName(config, secrets))[0];
  for (const config of named) config.markRead();
  for (const other of inline.slice(1)) other.markRead();
  const path = namedFile(first.message('certificate_chain'), secrets);
  if (path !== undefined) {
    first.message('private_key')?.markRead();
    return secrets.refer(`file:${path}`);
  }
  const secret = certificateFrom(first);
  return secret && secrets.add(secret);
}

/** What a `CommonTlsContext` verifies the peer by. */
export function trustFrom(common: Message, secrets: TlsSecrets): Validation | undefined {
  const combined = common.message('combined_validation_context');
  const context = common.message('validation_context') ?? combined?.message('default_validation_context');
  const validation = context && validationFrom(context, secrets);
  const olders = [common, combined].flatMap((place) => place?.message('validation_context_certificate_provider_instance') ?? []);
  for (const older of olders) older.markRead();
  const [provider] = olders;
  const named =
    secretName(common.message('validation_context_sds_secret_config'), secrets) ??
    secretName(combined?.message('validation_context_sds_secret_config'), secrets) ??
    (provider && providerName(provider, secrets));
  if (validation === undefined && named === undefined) return undefined;
  // A test that cannot be carried out stays, and so does a validator; else what is delivered apart wins over what stands here.
  const { trust: own, peers = [], isByValidator = false } = validation ?? {};
  const staysOwn = isByValidator || isRefusedName(own);
  if (isByValidator && named !== undefined)
    common.findings.note(
      `${context!.path}.custom_validator_config`,
      `has roots of its own: those of ${JSON.stringify(named)} are not used`,
    );
  const trust = staysOwn ? own : (named ?? own);
  // SPIFFE's validator compares SPIFFE IDs alone.
  const ids = isByValidator ? peers.filter(({ kind }) => kind === 'uri') : [];
  return {
    ...(trust !== undefined && { trust }),
    peers: ids.length > 0 ? ids : peers,
    ...(isByValidator && { isByValidator }),
  };
}
