/** Checks of authorization policies, tokens and authorizers. A rule that is not understood refuses its resource: never open by mistake. */
import type {
  AuthorizationPolicyConfig,
  ClaimMatcher,
  ExternalAuthorizerConfig,
  JwtProviderConfig,
  JwtRequirement,
  JwtRuleConfig,
  Permission,
  Principal,
} from '../../model/authorization.ts';
import type { PathMatcher, StringMatcher } from '../../model/match.ts';
import { maxKeySetBytes, parseKeySet } from '../../security/jwt/key-set.ts';
import { maxClockSkewMs } from '../../security/jwt/token-claims.ts';
import { printed, type Check } from './check.ts';
import { checkHeaderMutation } from './headers.ts';
import { checkMetadataTest, checkPathMatcher, checkRouteMatch, checkStringMatcher, checkValueMatcher } from './matchers.ts';

/** Checks a set of rules. */
export function checkAuthorizationPolicy(check: Check, policy: AuthorizationPolicyConfig): void {
  check.name('name', policy.name);
  check.oneOf('action', policy.action ?? 'nothing', ['allow', 'deny', 'audit', 'custom']);
  if (policy.action === 'custom') check.name('provider', policy.provider);
  check.flag('dryRun', policy.dryRun);
  check.whole('stage', policy.stage, 0);
  check.each('rules', policy.rules, (inner, rule) => {
    inner.name('name', rule.name);
    inner.each('principals', rule.principals, checkPrincipal);
    inner.each('permissions', rule.permissions, checkPermission);
  });
}

function checkPrincipal(check: Check, principal: Principal): void {
  switch (principal.kind) {
    case 'any':
    case 'tls':
      return;
    case 'identity':
    case 'namespace':
    case 'request-principal':
      check.within('match', principal.match ?? {}, checkStringMatcher);
      return;
    case 'claim':
      checkClaim(check, principal);
      return;
    case 'path':
      check.within('match', principal.match ?? {}, checkPathTest);
      return;
    case 'source-ip':
      check.cidr('cidr', principal.cidr);
      check.oneOf('which', principal.which ?? 'nothing', ['direct', 'connection', 'remote']);
      return;
    case 'header':
      check.within('header', principal.header ?? {}, (inner, header) => checkValueMatcher(inner, header, 'header'));
      return;
    case 'all':
    case 'some':
      check.each('of', principal.of, checkPrincipal);
      return;
    case 'not':
      check.within('of', principal.of ?? {}, checkPrincipal);
      return;
    default:
      check.reject('is no kind of principal that is known here', 'kind');
  }
}

function checkPermission(check: Check, permission: Permission): void {
  switch (permission.kind) {
    case 'any':
      return;
    case 'host':
    case 'method':
    case 'sni':
      check.within('match', permission.match ?? {}, checkStringMatcher);
      return;
    case 'path':
      check.within('match', permission.match ?? {}, checkPathTest);
      return;
    case 'port':
      check.port('start', permission.start ?? null);
      check.port('end', permission.end ?? null);
      if (permission.start > permission.end) check.reject('is less than start', 'end');
      return;
    case 'destination-ip':
      check.cidr('cidr', permission.cidr);
      return;
    case 'claim':
      checkClaim(check, permission);
      return;
    case 'header':
      check.within('header', permission.header ?? {}, (inner, header) => checkValueMatcher(inner, header, 'header'));
      return;
    case 'all':
    case 'some':
      check.each('of', permission.of, checkPermission);
      return;
    case 'not':
      check.within('of', permission.of ?? {}, checkPermission);
      return;
    default:
      check.reject('is no kind of permission that is known here', 'kind');
  }
}

function checkClaim(check: Check, claim: ClaimMatcher): void {
  if (claim.provider !== undefined) check.name('provider', claim.provider);
  check.enter('path');
  const path = check.list(claim.path);
  if (path.length === 0) check.reject('must name a claim');
  for (const [index, key] of path.entries()) check.name(index, key);
  check.leave();
  check.within('match', claim.match ?? {}, checkMetadataTest);
  check.oneOf('elements', claim.elements, ['never', 'only']);
}

function checkPathTest(check: Check, match: PathMatcher | StringMatcher): void {
  if (match.kind === 'segment-prefix' || match.kind === 'template') checkPathMatcher(check, match);
  else checkStringMatcher(check, match);
}

/** Checks the tokens that are accepted. */
export function checkJwtProvider(check: Check, provider: JwtProviderConfig): void {
  check.name('name', provider.name);
  if (provider.issuer !== undefined) check.name('issuer', provider.issuer);
  check.each('audiences', provider.audiences, (inner, audience) => inner.name('', audience));
  check.within('jwks', provider.jwks ?? {}, (inner, jwks) => {
    inner.oneOf('kind', jwks.kind ?? 'nothing', ['inline', 'remote']);
    if (jwks.kind === 'inline') checkKeySet(inner, jwks.document);
    else if (jwks.kind === 'remote') {
      const protocol = URL.canParse(jwks.url) ? new URL(jwks.url).protocol : undefined;
      if (protocol === undefined) inner.reject('is not a URL', 'url');
      else if (protocol !== 'https:' && !(protocol === 'http:' && jwks.cluster !== undefined))
        inner.reject('keys are fetched by https, or by http from a cluster that is named', 'url');
      if (jwks.cluster !== undefined) inner.name('cluster', jwks.cluster);
      inner.durationMs('timeoutMs', jwks.timeoutMs);
      inner.durationMs('cacheMs', jwks.cacheMs);
    }
  });
  check.each('fromHeaders', provider.fromHeaders, (inner, { name, prefix }) => {
    inner.headerName('name', name, 'any-case');
    if (prefix !== undefined) inner.text('prefix', prefix);
  });
  check.each('fromQuery', provider.fromQuery, (inner, name) => inner.name('', name));
  check.each('fromCookies', provider.fromCookies, (inner, name) => inner.name('', name));
  check.within('subjects', provider.subjects, checkStringMatcher);
  check.each('listClaims', provider.listClaims, (inner, name) => inner.name('', name));
  check.durationMs('maxLifetimeMs', provider.maxLifetimeMs);
  check.durationMs('clockSkewMs', provider.clockSkewMs);
  if (provider.clockSkewMs !== undefined && provider.clockSkewMs > maxClockSkewMs)
    check.reject(`must be at most ${maxClockSkewMs}; set the clocks of issuer and service by NTP instead`, 'clockSkewMs');
  for (const key of ['forward', 'hidesReason', 'allowPreflight', 'allowMissing'] as const) check.flag(key, provider[key]);
  if (provider.payloadHeader !== undefined) check.headerName('payloadHeader', provider.payloadHeader, 'any-case');
  check.each('claimHeaders', provider.claimHeaders, (inner, { header, claim }) => {
    inner.headerName('header', header, 'any-case');
    inner.name('claim', claim);
  });
}

/** Without a key that is good for something every token would be refused, and nobody would know why. */
function checkKeySet(check: Check, document: unknown): void {
  if (!check.text('document', document)) return;
  const parsed = parseKeySet(document, 'inline');
  if (typeof parsed !== 'string') return;
  // In words that do not quote the document.
  if (parsed === 'keys-none-valid')
    check.reject(
      'has no key that can verify a signature; give complete public keys (RFC 7517: `kty` and its members, `use` of "sig" or none)',
      'document',
    );
  else
    check.reject(
      `is not a JWK Set: a JSON object of at most ${maxKeySetBytes} bytes with a list \`keys\` (RFC 7517)`,
      'document',
    );
}

/** Checks which requests need which tokens. `providers` are those that there are: a requirement of another one could never be met. */
export function checkJwtRule(check: Check, rule: JwtRuleConfig, providers: ReadonlySet<string>): void {
  check.within('match', rule.match ?? {}, checkRouteMatch);
  // It would never match, and what needs a token would pass without one.
  if ((rule.match?.unsupported ?? []).length > 0)
    check.reject('cannot be told from others, so nothing would need the token', 'match');
  check.within('requires', rule.requires, (inner, requirement) => checkJwtRequirement(inner, requirement, providers));
}

function checkJwtRequirement(check: Check, requirement: JwtRequirement, providers: ReadonlySet<string>): void {
  check.oneOf('kind', requirement.kind ?? 'nothing', ['provider', 'all', 'some', 'missing', 'missing-or-failed']);
  if (requirement.kind === 'provider') {
    check.name('provider', requirement.provider);
    if (!providers.has(requirement.provider)) check.reject(`there is no provider ${printed(requirement.provider)}`, 'provider');
    check.each('audiences', requirement.audiences, (inner, audience) => inner.name('', audience));
  } else if (requirement.kind === 'all' || requirement.kind === 'some')
    check.each('of', requirement.of, (inner, each) => checkJwtRequirement(inner, each, providers));
}

/** Checks a service that is asked. */
export function checkExternalAuthorizer(check: Check, authorizer: ExternalAuthorizerConfig): void {
  check.name('name', authorizer.name);
  check.name('cluster', authorizer.cluster);
  check.oneOf('protocol', authorizer.protocol ?? 'nothing', ['grpc', 'http']);
  if (authorizer.pathPrefix !== undefined) check.text('pathPrefix', authorizer.pathPrefix);
  check.durationMs('timeoutMs', authorizer.timeoutMs ?? null);
  check.flag('failOpen', authorizer.failOpen);
  check.within('checkHeaders', authorizer.checkHeaders, checkHeaderMutation);
  check.whole('statusOnError', authorizer.statusOnError, 200, 599);
  check.each('requestHeaders', authorizer.requestHeaders, checkStringMatcher);
  check.each('takenHeaders', authorizer.takenHeaders, checkStringMatcher);
  check.each('appendedHeaders', authorizer.appendedHeaders, checkStringMatcher);
  check.each('refusalHeaders', authorizer.refusalHeaders, checkStringMatcher);
  check.each('responseHeaders', authorizer.responseHeaders, checkStringMatcher);
  check.flag('allowPartialBody', authorizer.allowPartialBody);
  check.whole('maxBodyBytes', authorizer.maxBodyBytes, 0);
}
