/** `inbound.jwt` → token providers and the requests that need a token. */
import type { JwtProviderConfig, JwtRequirement, JwtRuleConfig } from '../../model/authorization.ts';
import type { FilterChainConfig } from '../../model/listener.ts';
import type { PathMatcher } from '../../model/match.ts';
import type { InboundFile } from './schema.ts';
import { pathTest, wildcard } from './translate-inbound-rules.ts';

type JwtFile = NonNullable<InboundFile['jwt']>;
type ProviderFile = JwtFile['providers'][number];

/** Of claims with these names each word is a value: what Istio compares them as. */
const listClaims = ['scope', 'permission'] as const;

/** What a chain says about tokens. `allowPreflight`: preflights, which carry none, are answered all the same. */
export function tokensFromFile(
  { providers, required, exempt = [] }: JwtFile,
  allowPreflight: boolean,
): Pick<FilterChainConfig, 'jwt' | 'jwtRules'> {
  const jwt = providers.map((provider) => providerFromFile(provider, allowPreflight));
  // They begin with a slash: exact, a prefix or a template.
  const rules = exempt.map((path): JwtRuleConfig => ({ match: { path: pathTest(path) as PathMatcher } }));
  return { jwt, jwtRules: [...rules, { match: {}, requires: requirement(jwt, required) }] };
}

/**
 * One of the providers, or all of them say that nothing is wrong: each token that is there is good. So Istio asks Envoy for it, since a
 * list of alternatives with "none at all" among them would pass a bad token beside a good one.
 */
function requirement(jwt: readonly JwtProviderConfig[], required: boolean): JwtRequirement {
  const of = jwt.map(({ name }): JwtRequirement => ({ kind: 'provider', provider: name }));
  if (required) return of.length === 1 ? of[0]! : { kind: 'some', of };
  const orNone = of.map((each): JwtRequirement => ({ kind: 'some', of: [each, { kind: 'missing' }] }));
  return orNone.length === 1 ? orNone[0]! : { kind: 'some', of: [...of, { kind: 'all', of: orNone }] };
}

function providerFromFile(file: ProviderFile, allowPreflight: boolean): JwtProviderConfig {
  const { issuer, name = issuer, audiences, subject, maxLifetimeMs, clockSkewMs, forward, payloadHeader } = file;
  const { fromHeaders, fromQuery, fromCookies, claimHeaders } = file;
  const isAnywhere = (fromHeaders ?? fromQuery ?? fromCookies) !== undefined;
  return {
    name,
    issuer,
    audiences: audiences === 'any' ? [] : audiences,
    ...(subject !== undefined && { subjects: wildcard(subject) }),
    ...(maxLifetimeMs !== undefined && { maxLifetimeMs }),
    jwks: keysFromFile(file),
    listClaims,
    ...(!isAnywhere && { fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }] }),
    ...(fromHeaders !== undefined && {
      fromHeaders: fromHeaders.map(({ name: header, ...prefix }) => ({ name: header.toLowerCase(), ...prefix })),
    }),
    ...(fromQuery !== undefined && { fromQuery }),
    ...(fromCookies !== undefined && { fromCookies }),
    ...(payloadHeader !== undefined && { payloadHeader: payloadHeader.toLowerCase() }),
    ...(claimHeaders !== undefined && {
      claimHeaders: Object.entries(claimHeaders).map(([header, claim]) => ({ header: header.toLowerCase(), claim })),
    }),
    clockSkewMs,
    forward,
    ...(allowPreflight && { allowPreflight }),
  };
}

function keysFromFile({ jwks, jwksUrl, jwksService, jwksTimeoutMs, jwksCacheMs }: ProviderFile): JwtProviderConfig['jwks'] {
  if (jwks !== undefined) return { kind: 'inline', document: typeof jwks === 'string' ? jwks : JSON.stringify(jwks) };
  return {
    kind: 'remote',
    url: jwksUrl!,
    ...(jwksService !== undefined && { cluster: jwksService }),
    ...(jwksTimeoutMs !== undefined && { timeoutMs: jwksTimeoutMs }),
    ...(jwksCacheMs !== undefined && { cacheMs: jwksCacheMs }),
  };
}
