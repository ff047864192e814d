/** Tokens that requests carry (`filters.http.jwt_authn`): whose are accepted, and which requests need one. */
import type {
  AuthorizationPolicyConfig,
  JwtProviderConfig,
  JwtRequirement,
  JwtRuleConfig,
} from '../../../../model/authorization.ts';
import { dataSourceText } from '../data-source.ts';
import type { Message } from '../message.ts';
import { routeMatchFrom } from '../route-match.ts';
import { stringMatcherFrom } from '../string-matcher.ts';
import type { PayloadKeys } from './claims.ts';
import { refusal } from './rbac.ts';

/** What a filter for tokens says. */
export interface JwtFilter {
  readonly providers: readonly JwtProviderConfig[];
  readonly rules: readonly JwtRuleConfig[];
  readonly payloads: PayloadKeys;
  /** In place of what cannot be carried out. */
  readonly refusals: readonly AuthorizationPolicyConfig[];
}

/** Reads a `JwtAuthentication`. */
export function jwtFrom(message: Message, name: string): JwtFilter {
  message.skip('stat_prefix');
  const refusals: AuthorizationPolicyConfig[] = [];
  const allowPreflight = message.flag('bypass_cors_preflight') === true;
  const hidesReason = message.flag('strip_failure_response') === true;
  const payloads = new Map<string, string[]>();
  const map = message.message('providers');
  const providers = (map?.keys() ?? []).flatMap((key) => {
    const provider = map!.message(key);
    if (provider === undefined) return [];
    const payload = provider.name('payload_in_metadata');
    if (payload !== undefined) payloads.set(payload, [...(payloads.get(payload) ?? []), key]);
    return [{ ...providerFrom(provider, key), ...(allowPreflight && { allowPreflight }), ...(hidesReason && { hidesReason }) }];
  });
  const named = message.message('requirement_map');
  const requirements = new Map((named?.keys() ?? []).map((key) => [key, requirementFrom(named!.message(key))]));
  const rules = message.messages('rules').flatMap((rule): readonly JwtRuleConfig[] => {
    const read = ruleFrom(rule, requirements);
    if (read !== undefined) return [read];
    refusals.push(refusal(name));
    return [];
  });
  if (message.message('filter_state_rules') !== undefined) {
    message.message('filter_state_rules')!.markRead();
    message.note('filter_state_rules', 'are not carried out, so that every request is refused');
    refusals.push(refusal(name));
  }
  return { providers, rules, payloads, refusals: refusals.slice(0, 1) };
}

/** Undefined when it cannot be told which requests it is for: to pass it over would let them in without a token. */
function ruleFrom(message: Message, named: ReadonlyMap<string, JwtRequirement>): JwtRuleConfig | undefined {
  const written = message.message('match');
  const match = written === undefined ? {} : routeMatchFrom(written);
  if (written === undefined) message.problem('match', 'must say which requests the rule is for');
  const kind = message.oneOf('requires', 'requirement_name');
  const byName = kind === 'requirement_name' ? (message.text(kind) ?? '') : undefined;
  if (byName !== undefined && !named.has(byName)) message.problem('requirement_name', 'is not in requirement_map');
  const requires =
    byName !== undefined
      ? (named.get(byName) ?? { kind: 'missing' as const })
      : kind === 'requires'
        ? requirementFrom(message.message(kind))
        : undefined;
  if (match.unsupported !== undefined) {
    message.note('match', `${match.unsupported[0]} cannot be evaluated, so that every request is refused`);
    return undefined;
  }
  return { match, ...(requires !== undefined && { requires }) };
}

function requirementFrom(message: Message | undefined): JwtRequirement {
  const kind = message?.oneOf(
    'provider_name',
    'provider_and_audiences',
    'requires_any',
    'requires_all',
    'allow_missing_or_failed',
    'allow_missing',
    'extract_only_without_validation',
  );
  switch (kind) {
    case 'provider_name':
      return { kind: 'provider', provider: message!.text(kind) ?? '' };
    case 'provider_and_audiences': {
      const inner = message!.message(kind);
      return { kind: 'provider', provider: inner?.text('provider_name') ?? '', audiences: inner?.texts('audiences') ?? [] };
    }
    case 'requires_any':
    case 'requires_all': {
      const list = message!.message(kind)?.messages('requirements') ?? [];
      if (list.length === 0) message!.problem(kind, 'must have requirements');
      return { kind: kind === 'requires_any' ? 'some' : 'all', of: list.map(requirementFrom) };
    }
    case 'allow_missing_or_failed':
    case 'allow_missing':
      message!.message(kind);
      return { kind: kind === 'allow_missing' ? 'missing' : 'missing-or-failed' };
    case 'extract_only_without_validation':
      message!.message(kind);
      message!.note(kind, 'a token that is not verified is as good as none: its claims are not noted');
      return { kind: 'missing-or-failed' };
    default:
      message?.findings.problem(message.path, 'must be a requirement');
      return { kind: 'some', of: [] };
  }
}

function providerFrom(message: Message, name: string): JwtProviderConfig {
  const issuer = message.name('issuer');
  const subjects = message.message('subjects');
  const said = subjects && stringMatcherFrom(subjects);
  if (said !== undefined && 'unsupported' in said) message.problem('subjects', `${said.unsupported} cannot be evaluated`);
  const fromHeaders = message.messages('from_headers').map((header) => {
    const prefix = header.name('value_prefix');
    return { name: header.text('name') ?? '', ...(prefix !== undefined && { prefix }) };
  });
  const fromQuery = message.texts('from_params');
  const fromCookies = message.texts('from_cookies');
  const isDefault = fromHeaders.length + fromQuery.length + fromCookies.length === 0;
  const payloadHeader = message.name('forward_payload_header');
  const claimHeaders = message
    .messages('claim_to_headers')
    .map((each) => ({ header: each.text('header_name') ?? '', claim: each.text('claim_name') ?? '' }));
  const listClaims = message.message('normalize_payload_in_metadata')?.texts('space_delimited_claims') ?? [];
  const maxLifetimeMs = message.durationMs('max_lifetime');
  // In Envoy 0 is its default too.
  const skewS = message.whole('clock_skew_seconds') ?? 0;
  if (skewS > 60) message.note('clock_skew_seconds', 'more than 60 are taken as 60');
  message.skip('payload_in_metadata', 'jwt_cache_config', 'clear_route_cache', 'require_expiration');
  if (message.flag('pad_forward_payload_header') === true)
    message.note('pad_forward_payload_header', 'base64url is written without padding (RFC 7515)');
  return {
    name,
    ...(issuer !== undefined && { issuer }),
    audiences: message.texts('audiences'),
    ...(said !== undefined && 'value' in said && { subjects: said.value }),
    jwks: keysFrom(message),
    // Envoy's own places, when none is named.
    fromHeaders: isDefault ? [{ name: 'authorization', prefix: 'Bearer ' }] : fromHeaders,
    ...(isDefault && { fromQuery: ['access_token'] }),
    ...(fromQuery.length > 0 && { fromQuery }),
    ...(fromCookies.length > 0 && { fromCookies }),
    ...(payloadHeader !== undefined && { payloadHeader }),
    ...(claimHeaders.length > 0 && { claimHeaders }),
    ...(listClaims.length > 0 && { listClaims }),
    ...(maxLifetimeMs !== undefined && maxLifetimeMs > 0 && { maxLifetimeMs }),
    clockSkewMs: (skewS === 0 ? 60 : skewS) * 1000,
    forward: message.flag('forward') === true,
  };
}

function keysFrom(message: Message): JwtProviderConfig['jwks'] {
  const kind = message.oneOf('remote_jwks', 'local_jwks');
  const inner = kind === undefined ? undefined : message.message(kind);
  if (inner === undefined) message.problem('local_jwks', 'must be there: keys, or where they are fetched from in remote_jwks');
  if (inner === undefined || kind === 'local_jwks') return { kind: 'inline', document: dataSourceText(inner) ?? '{"keys":[]}' };
  const uri = inner.message('http_uri');
  const cluster = uri?.name('cluster');
  const timeoutMs = uri?.durationMs('timeout');
  const cacheMs = inner.durationMs('cache_duration');
  inner.message('async_fetch')?.markRead();
  inner.message('retry_policy')?.markRead();
  return {
    kind: 'remote',
    url: uri?.text('uri') ?? '',
    ...(cluster !== undefined && { cluster }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(cacheMs !== undefined && { cacheMs }),
  };
}
