/**
 * Who is accepted at the other end (`CertificateValidationContext`). Nothing here may accept more than was asked for: a test that cannot
 * be carried out is reported, and a name that nobody delivers takes the place of the roots, so that connections fail.
 */
import type { TrustBundle } from '../../../model/identity.ts';
import type { SanMatcher, SecretRef } from '../../../model/tls.ts';
import { dataSourceText, namedFile } from './data-source.ts';
import type { Message } from './message.ts';
import { stringMatcherFrom } from './string-matcher.ts';
import { inlineName } from './tls-material.ts';
import type { ReceivedSecret, TlsSecrets } from './tls-secrets.ts';

/** What the peer is verified by. */
export interface Validation {
  /** Absent = the roots of the system. */
  readonly trust?: SecretRef | undefined;
  readonly peers: readonly SanMatcher[];
  /** The roots are those of a validator, and no others take their place: Envoy gives a validator no others either. */
  readonly isByValidator?: boolean;
}

/** Fields without which an unwanted peer would be accepted. */
const tests = ['crl', 'verify_certificate_spki', 'verify_certificate_hash', 'require_signed_certificate_timestamp'] as const;

/** Tests of a context that cannot be carried out, which are reported. */
function missingTests(context: Message): readonly string[] {
  const missing: string[] = tests.filter((name) => context.has(name) && context.raw(name) !== false);
  if (context.has('crl')) context.message('crl')?.markRead();
  if (limitsDepth(context)) missing.push('max_verify_depth');
  for (const name of missing) context.note(name, 'is not carried out, so that every connection fails');
  return missing;
}

/** Whether it asks for a short chain; ours may have a hundred certificates, which is the default. */
function limitsDepth(context: Message): boolean {
  return context.has('max_verify_depth') && (context.whole('max_verify_depth', 0, 100) ?? 100) < 100;
}

/** Reads a `CertificateValidationContext` that is a part of a TLS context. */
export function validationFrom(context: Message, secrets: TlsSecrets): Validation {
  const missing = missingTests(context);
  const sans = peersFrom(context);
  context.skip('watched_directory', 'only_verify_leaf_cert_crl');
  for (const [name, instead] of [
    ['allow_expired_certificate', 'an expired certificate is never accepted'],
    ['trust_chain_verification', 'a peer that is not trusted is never accepted'],
  ] as const) {
    const value = context.raw(name);
    if (value !== undefined && value !== false && value !== 0 && value !== 'VERIFY_TRUST_CHAIN') context.note(name, instead);
  }
  const roots = secretOf(context, secrets);
  const broken = missing[0] ?? sans.broken;
  const trust = broken === undefined ? roots : secrets.refuse(broken);
  const isByValidator = context.has('custom_validator_config');
  return { ...(trust !== undefined && { trust }), peers: sans.peers, ...(isByValidator && { isByValidator }) };
}

/** Name of the roots of a context; undefined = those of the system, or those that stand elsewhere. */
function secretOf(context: Message, secrets: TlsSecrets): SecretRef | undefined {
  const custom = context.message('custom_validator_config');
  if (custom !== undefined) return validatorRoots(custom, secrets);
  const provider = context.message('ca_certificate_provider_instance');
  if (provider !== undefined) return providerName(provider, secrets);
  if (context.has('trusted_ca')) {
    const path = namedFile(context.message('trusted_ca'), secrets);
    if (path !== undefined) return secrets.refer(`file:${path}`);
    const certificates = dataSourceText(context.message('trusted_ca'));
    if (certificates === undefined) return undefined; // A problem by now: the resource is refused.
    return secrets.add({ trustBundle: { name: inlineName(certificates), certificates } });
  }
  context.message('system_root_certs');
  return undefined;
}

/** Name of a certificate provider of the bootstrap (gRFC A29). */
export function providerName(instance: Message, secrets: TlsSecrets): SecretRef {
  instance.skip('certificate_name');
  return secrets.refer(`provider:${instance.name('instance_name') ?? 'default'}`);
}

/** Roots by trust domain (`SPIFFECertValidatorConfig`); any other validator is one that we do not have. */
function validatorRoots(custom: Message, secrets: TlsSecrets): SecretRef {
  const bundle = spiffeBundle(custom);
  if (bundle !== undefined) return secrets.add({ trustBundle: bundle });
  const name = custom.text('name') ?? '';
  custom.findings.note(custom.path, `the validator ${name} is not carried out, so that every connection fails`);
  return secrets.refuse(name);
}

/** The roots of a validator; undefined where it is not SPIFFE's, or asks for more than roots by trust domain. */
function spiffeBundle(custom: Message): TrustBundle | undefined {
  custom.skip('name');
  const config = custom.any('typed_config');
  const isKnown = config?.type === 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';
  const bundle = isKnown && !config.message.has('trust_bundles') ? spiffeRoots(config.message) : undefined;
  if (bundle === undefined) config?.message.markRead();
  return bundle;
}

function spiffeRoots(config: Message): TrustBundle | undefined {
  const domains = config.messages('trust_domains');
  // Roots that hold only where our own trust domain is a certain one.
  if (domains.some((domain) => domain.name('workload_trust_domain') !== undefined)) {
    for (const domain of domains) domain.markRead();
    return undefined;
  }
  const named = new Set<string>();
  const [first, ...federated] = domains.flatMap((domain) => {
    const trustDomain = domain.name('name');
    const certificates = dataSourceText(domain.message('trust_bundle'));
    if (trustDomain === undefined) domain.problem('name', 'must be the name of a trust domain');
    else if (named.has(trustDomain)) domain.problem('name', `${JSON.stringify(trustDomain)} is there twice`);
    if (trustDomain === undefined || certificates === undefined) return [];
    named.add(trustDomain);
    return [{ trustDomain, certificates }];
  });
  if (first === undefined) return undefined;
  const all = [first, ...federated];
  const name = inlineName(all.map(({ trustDomain, certificates }) => `${trustDomain}\n${certificates}`).join('\n'));
  return { name, ...first, ...(federated.length > 0 && { federated }) };
}

/** Fields of a secret whose loss would accept more than was asked for. */
const notInSecrets = [
  ...tests,
  'match_typed_subject_alt_names',
  'match_subject_alt_names',
  'ca_certificate_provider_instance',
] as const;

/** Reads the context of a secret of SDS: roots and nothing else, since the rest is said where the secret is named. */
export function rootsFrom(context: Message, name: SecretRef): ReceivedSecret | undefined {
  const elsewhere = 'is not read in a secret; give it in the TLS context that names the secret';
  for (const field of notInSecrets)
    if (context.has(field)) {
      context.raw(field);
      context.problem(field, elsewhere);
    }
  if (limitsDepth(context))
    context.problem('max_verify_depth', 'is not carried out, so that these roots would accept more than it');
  context.skip('watched_directory');
  const custom = context.message('custom_validator_config');
  if (custom !== undefined) {
    const bundle = spiffeBundle(custom);
    if (bundle !== undefined) return { trustBundle: { ...bundle, name } };
    context.problem('custom_validator_config', 'is a validator that is not carried out; only roots by trust domain (SPIFFE) are');
    return undefined;
  }
  const certificates = dataSourceText(context.message('trusted_ca'));
  if (!context.has('trusted_ca')) context.problem('trusted_ca', 'must be there: roots in PEM');
  return certificates === undefined ? undefined : { trustBundle: { name, certificates } };
}

interface Peers {
  readonly peers: readonly SanMatcher[];
  /** A matcher that cannot be said, where no other is left. */
  readonly broken?: string;
}

/** One of the matchers has to match, so that one which is left out accepts less, but for the last. */
function peersFrom(context: Message): Peers {
  const typed = context.messages('match_typed_subject_alt_names');
  const peers = typed.flatMap((san) => sanFrom(san) ?? []);
  const old = context.messages('match_subject_alt_names');
  // "If both this field and match_typed_subject_alt_names are specified, the former is ignored."
  if (typed.length === 0) peers.push(...old.flatMap((san) => untypedSanFrom(san)));
  else for (const san of old) san.markRead();
  const isBroken = peers.length === 0 && typed.length + old.length > 0;
  return { peers, ...(isBroken && { broken: 'subject alternative names' }) };
}

const sanTypes = ['SAN_TYPE_UNSPECIFIED', 'EMAIL', 'DNS', 'URI', 'IP_ADDRESS', 'OTHER_NAME'] as const;
const notCompared = 'is not compared here: no peer is accepted by it';

function sanFrom(message: Message): SanMatcher | undefined {
  const kind = message.choice('san_type', sanTypes);
  message.skip('oid');
  const matcher = message.message('matcher');
  const said = matcher && stringMatcherFrom(matcher);
  if (said === undefined || 'unsupported' in said || said.value.kind === 'present') {
    message.findings.note(message.path, said !== undefined && 'unsupported' in said ? said.unsupported : notCompared);
    return undefined;
  }
  const { value } = said;
  if (value.kind !== 'regex' && value.ignoreCase === true && kind !== 'DNS') {
    message.note('matcher', `ignore_case ${notCompared}`);
    return undefined;
  }
  if (kind === 'DNS') return { kind: 'dns', match: value.kind, value: value.value };
  if (kind === 'URI') return { kind: 'uri', match: value.kind, value: value.value };
  if ((kind === 'IP_ADDRESS' || kind === 'EMAIL') && value.kind === 'exact')
    return { kind: kind === 'EMAIL' ? 'email' : 'ip', match: 'exact', value: value.value };
  message.note('san_type', `a name of this kind ${notCompared}`);
  return undefined;
}

/** The older matchers do not say of which kind the name is: a URI has a scheme. */
function untypedSanFrom(message: Message): readonly SanMatcher[] {
  const said = stringMatcherFrom(message);
  if ('unsupported' in said || said.value.kind === 'present') {
    message.findings.note(message.path, 'unsupported' in said ? said.unsupported : notCompared);
    return [];
  }
  const { kind, value } = said.value;
  if (kind === 'exact')
    return [value.includes('://') ? { kind: 'uri', match: kind, value } : { kind: 'dns', match: kind, value }];
  return [
    { kind: 'uri', match: kind, value },
    { kind: 'dns', match: kind, value },
  ];
}
