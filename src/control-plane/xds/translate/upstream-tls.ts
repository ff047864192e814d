/**
 * TLS to a cluster's endpoints (`UpstreamTlsContext`). The model names certificates and roots and never holds them: secrets of SDS
 * keep their names. What stands in the configuration itself cannot be taken over; it is reported, and a name that nobody delivers
 * takes its place, so that connections fail rather than trust somebody else.
 */
import type { UpstreamTlsMatch, SanMatcher, TlsVersion, UpstreamTls } from '../../../model/tls.ts';
import type { Message } from './message.ts';
import { structFrom } from './metadata.ts';
import { stringMatcherFrom, valueOrNote } from './string-matcher.ts';

/** Reads a `TransportSocket`; undefined = plaintext, because there is none. */
export function transportSocketFrom(socket: Message | undefined, owner: string): UpstreamTls | undefined {
  if (socket === undefined) return undefined;
  const name = socket.text('name') ?? '';
  const config = socket.any('typed_config');
  const type = config?.type ?? '';
  if (/raw_buffer/.test(type === '' ? name : type)) return { mode: 'disabled' };
  if (config !== undefined && (type.endsWith('UpstreamTlsContext') || (type === '' && name.endsWith('tls'))))
    return tlsFrom(config.message, owner);
  socket.findings.problem(
    socket.path,
    `the transport socket ${type === '' ? name : type} is not known here; tls and raw_buffer are`,
  );
  config?.message.markRead();
  return undefined;
}

/** Reads `transport_socket_matches`. */
export function tlsMatchesFrom(matches: readonly Message[], owner: string): readonly UpstreamTlsMatch[] {
  return matches.map((match, index) => {
    const name = match.text('name') ?? `match-${index}`;
    return {
      name,
      metadata: structFrom(match, 'match') ?? {},
      tls: transportSocketFrom(match.message('transport_socket'), `${owner}/${name}`) ?? { mode: 'disabled' },
    };
  });
}

function tlsFrom(message: Message, owner: string): UpstreamTls {
  const common = message.message('common_tls_context');
  const sni = message.name('sni');
  message.skip('max_session_keys', 'allow_renegotiation');
  const identity = common && identityFrom(common, owner);
  const trust = common && trustFrom(common, owner);
  const params = common?.message('tls_params');
  const versions = ['TLS_AUTO', 'TLSv1_0', 'TLSv1_1', 'TLSv1_2', 'TLSv1_3'] as const;
  const minimum = params?.choice('tls_minimum_protocol_version', versions);
  const maximum = params?.choice('tls_maximum_protocol_version', versions);
  const minVersion = tlsVersion(minimum);
  const maxVersion = tlsVersion(maximum);
  if (maximum === 'TLSv1_0' || maximum === 'TLSv1_1')
    params!.problem('tls_maximum_protocol_version', 'older versions than TLS 1.2 are never spoken');
  const cipherSuites = params?.texts('cipher_suites') ?? [];
  const alpn = common?.texts('alpn_protocols') ?? [];
  return {
    mode: identity === undefined ? 'simple' : 'mutual',
    ...(identity !== undefined && { identity }),
    ...(trust?.trust !== undefined && { trust: trust.trust }),
    ...(sni !== undefined && { sni }),
    ...(alpn.length > 0 && { alpn }),
    peers: trust?.peers ?? [],
    ...(minVersion !== undefined && { minVersion }),
    ...(maxVersion !== undefined && { maxVersion }),
    ...(cipherSuites.length > 0 && { cipherSuites }),
  };
}

function tlsVersion(name: string | undefined): TlsVersion | undefined {
  if (name === 'TLSv1_3') return 'TLSv1.3';
  // Older ones are never spoken, so that a lower minimum says nothing.
  return name === 'TLSv1_2' ? 'TLSv1.2' : undefined;
}

function secretName(config: Message | undefined): string | undefined {
  config?.skip('sds_config');
  return config?.name('name');
}

function identityFrom(common: Message, owner: string): string | undefined {
  const byName = common.messages('tls_certificate_sds_secret_configs').map(secretName);
  if (byName.length > 1) common.note('tls_certificate_sds_secret_configs', 'the first certificate is used, the others are not');
  if (common.list('tls_certificates').length === 0) return byName[0];
  common.note('tls_certificates', inlineReason);
  return byName[0] ?? `inline certificate of ${owner}`;
}

const inlineReason =
  'a certificate or key that stands in the configuration is not taken over; name a secret, and connections fail until it is delivered';

function trustFrom(
  common: Message,
  owner: string,
): { readonly trust: string | undefined; readonly peers: readonly SanMatcher[] } {
  const combined = common.message('combined_validation_context');
  const contexts = [common.message('validation_context'), combined?.message('default_validation_context')];
  const byName =
    secretName(common.message('validation_context_sds_secret_config')) ??
    secretName(combined?.message('validation_context_sds_secret_config'));
  const peers: SanMatcher[] = [];
  let trust = byName;
  for (const context of contexts) {
    if (context === undefined) continue;
    peers.push(...context.messages('match_typed_subject_alt_names').flatMap((san) => sanFrom(san) ?? []));
    for (const san of context.messages('match_subject_alt_names')) {
      const said = valueOrNote(stringMatcherFrom(san), san);
      if (said !== undefined && said.kind !== 'present') peers.push(...bothNames(said.kind, said.value));
    }
    if (context.has('trusted_ca')) {
      context.note('trusted_ca', inlineReason);
      trust ??= `inline roots of ${owner}`;
    }
    if (context.has('system_root_certs')) context.skip('system_root_certs');
    if (context.choice('trust_chain_verification', ['VERIFY_TRUST_CHAIN', 'ACCEPT_UNTRUSTED']) === 'ACCEPT_UNTRUSTED')
      context.note('trust_chain_verification', 'a peer that is not trusted is never accepted');
  }
  return { trust, peers };
}

/** The older matchers do not say of which kind the name is: a URI has a scheme. */
function bothNames(match: SanMatcher['match'], value: string): readonly SanMatcher[] {
  return [value.includes('://') ? { kind: 'uri', match, value } : { kind: 'dns', match, value }];
}

function sanFrom(message: Message): SanMatcher | undefined {
  const kind = message.choice('san_type', ['SAN_TYPE_UNSPECIFIED', 'EMAIL', 'DNS', 'URI', 'IP_ADDRESS', 'OTHER_NAME']);
  const matcher = message.message('matcher');
  const said = matcher && valueOrNote(stringMatcherFrom(matcher), matcher);
  if (said === undefined || said.kind === 'present') return undefined;
  if (said.kind !== 'regex' && said.ignoreCase === true)
    message.note('matcher', 'ignore_case has no effect on a name of a certificate');
  if (kind === 'DNS') return { kind: 'dns', match: said.kind, value: said.value };
  if (kind === 'URI') return { kind: 'uri', match: said.kind, value: said.value };
  if ((kind === 'IP_ADDRESS' || kind === 'EMAIL') && said.kind === 'exact')
    return { kind: kind === 'EMAIL' ? 'email' : 'ip', match: 'exact', value: said.value };
  message.problem('san_type', 'of this kind no name is compared here, and leaving the test out would trust every peer');
  return undefined;
}
