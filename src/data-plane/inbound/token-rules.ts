/**
 * Which requests need which tokens. Requirements are asked in their order, and a group knows as soon as one of its members decides it.
 * The words of Envoy's `JwtRequirement` and of its verifiers: a token of an issuer that nobody asked for is no good token, and not a
 * missing one.
 */
import type { JwtRequirement, JwtRuleConfig } from '../../model/authorization.ts';
import type { RouteMatch } from '../../model/match.ts';
import { compileAudiences, type AudienceTest } from '../../security/jwt/token-claims.ts';
import { readToken } from '../../security/jwt/verified-tokens.ts';
import { compileValue } from '../routing/match-value.ts';
import { queryParameter } from '../routing/query-parameter.ts';
import { compileAccessPath } from './access-path.ts';
import type { AccessRequest } from './access-request.ts';
import type { CheckedTokens, TokenVerdict } from './checked-tokens.ts';
import { compileLocations, findTokens, type FoundToken, type TokenLocation } from './token-locations.ts';
import { isAmong, type TokenProvider } from './token-provider.ts';

/** A verdict, now or when signatures and keys are there. */
export type Verdict = TokenVerdict | Promise<TokenVerdict>;

/** A compiled requirement. */
type Requirement = (checked: CheckedTokens) => Verdict;

/** Compiled rules. */
export type TokenRules = (request: AccessRequest, checked: CheckedTokens) => Verdict;

/** Compiles rules; without rules every request needs a token of each provider. */
export function compileTokenRules(providers: readonly TokenProvider[], rules: readonly JwtRuleConfig[] | undefined): TokenRules {
  if (rules === undefined) {
    const needs = providers.map(({ config: { name, allowMissing } }): JwtRequirement => {
      const needed: JwtRequirement = { kind: 'provider', provider: name };
      return allowMissing === true ? { kind: 'some', of: [needed, { kind: 'missing' }] } : needed;
    });
    const requirement = compile(needs.length === 1 ? needs[0]! : { kind: 'all', of: needs }, providers);
    return (_request, checked) => requirement(checked);
  }
  const compiled = rules.map(({ match, requires }) => {
    if (!isEvaluable(match)) return { matches: () => true, requirement: refuseAll };
    return {
      matches: compileMatch(match, requires !== undefined),
      requirement: requires === undefined ? undefined : compile(requires, providers),
    };
  });
  return (request, checked) => {
    for (const { matches, requirement } of compiled)
      if (matches(request)) return requirement === undefined ? 'ok' : requirement(checked);
    return 'ok';
  };
}

function compile(requirement: JwtRequirement, providers: readonly TokenProvider[]): Requirement {
  switch (requirement.kind) {
    case 'provider': {
      const provider = providers.find(({ config }) => config.name === requirement.provider);
      // Nobody's tokens are good for a provider that there is not.
      if (provider === undefined) return () => 'unknown-issuer';
      const { audiences = [] } = requirement;
      return ofProvider(provider, audiences.length === 0 ? provider.audiences : compileAudiences(audiences));
    }
    case 'all':
      return allOf(requirement.of.map((each) => compile(each, providers)));
    case 'some':
      return someOf(requirement.of, providers);
    default:
      return ofAnybody(providers, requirement.kind);
  }
}

/** All tokens in the places of the provider are its own, and there is one. */
function ofProvider(provider: TokenProvider, audiences: AudienceTest): Requirement {
  return (checked) => {
    const found = findTokens(provider.locations, checked.request, checked.taken);
    if (found.length === 0) return 'missing';
    if (found.length === 1) return verdictOf(found[0]!, provider, audiences, checked);
    return allOfProvider(found, provider, audiences, checked);
  };
}

function allOfProvider(
  found: readonly FoundToken[],
  provider: TokenProvider,
  audiences: AudienceTest,
  checked: CheckedTokens,
): Verdict {
  return eachOf(found, found.length - 1, (token) => verdictOf(token, provider, audiences, checked));
}

/** The last place is looked at first, as in Envoy: which problem is told depends on it. */
function eachOf(found: readonly FoundToken[], last: number, test: (token: FoundToken) => Verdict): Verdict {
  for (let index = last; index >= 0; index--) {
    const verdict = test(found[index]!);
    if (typeof verdict !== 'string')
      return verdict.then((settled) => (settled === 'ok' ? eachOf(found, index - 1, test) : settled));
    if (verdict !== 'ok') return verdict;
  }
  return 'ok';
}

function verdictOf(token: FoundToken, provider: TokenProvider, audiences: AudienceTest, checked: CheckedTokens): Verdict {
  const known = provider.recall(token, audiences, checked);
  if (known !== undefined) return known;
  const read = readToken(token.text);
  if (typeof read === 'string') return read;
  const { issuers } = token.location;
  if (issuers !== undefined && !isAmong(read.claims, issuers)) return 'unknown-issuer';
  return provider.problemOf(read.claims, audiences) ?? provider.accept(read, token.location, audiences, checked);
}

/** No tokens, or good ones of any provider; or whatever there is. */
function ofAnybody(providers: readonly TokenProvider[], kind: 'missing' | 'missing-or-failed'): Requirement {
  const locations: readonly TokenLocation[] = compileLocations(providers.map(({ config }) => config));
  return (checked) => {
    const found = findTokens(locations, checked.request, checked.taken);
    const test = (token: FoundToken): Verdict => {
      const verdict = verdictOfAnybody(token, providers, checked);
      if (kind === 'missing') return verdict;
      return typeof verdict === 'string' ? 'ok' : verdict.then(() => 'ok' as const);
    };
    return eachOf(found, found.length - 1, test);
  };
}

/** By the provider of its issuer, or the first that takes anybody's. */
function verdictOfAnybody(token: FoundToken, providers: readonly TokenProvider[], checked: CheckedTokens): Verdict {
  const read = readToken(token.text);
  if (typeof read === 'string') return read;
  const { issuer } = read.claims;
  const provider =
    providers.find(({ config }) => config.issuer !== undefined && config.issuer === issuer) ??
    providers.find(({ config }) => config.issuer === undefined);
  return provider === undefined ? 'unknown-issuer' : verdictOf(token, provider, provider.audiences, checked);
}

function allOf(requirements: readonly Requirement[], from = 0): Requirement {
  return (checked) => {
    for (let index = from; index < requirements.length; index++) {
      const verdict = requirements[index]!(checked);
      if (typeof verdict !== 'string')
        return verdict.then((settled) => (settled === 'ok' ? allOf(requirements, index + 1)(checked) : settled));
      if (verdict !== 'ok') return verdict;
    }
    return 'ok';
  };
}

/** `missing` and `missing-or-failed` in a group say what is made of it when no other member is met; alone they are asked themselves. */
function someOf(members: readonly JwtRequirement[], providers: readonly TokenProvider[]): Requirement {
  const passesFailed = members.some(({ kind }) => kind === 'missing-or-failed');
  const passesMissing = members.some(({ kind }) => kind === 'missing');
  const regular = members.filter(({ kind }) => kind !== 'missing' && kind !== 'missing-or-failed');
  if (regular.length === 0 && passesFailed) return ofAnybody(providers, 'missing-or-failed');
  if (regular.length === 0 && passesMissing) return ofAnybody(providers, 'missing');
  const requirements = regular.map((member) => compile(member, providers));
  const settle = (problem: TokenVerdict): TokenVerdict =>
    passesFailed || (passesMissing && problem === 'missing') ? 'ok' : problem;
  const ask = (checked: CheckedTokens, from: number, before: TokenVerdict): Verdict => {
    let problem = before;
    for (let index = from; index < requirements.length; index++) {
      const verdict = requirements[index]!(checked);
      if (typeof verdict !== 'string')
        return verdict.then((settled) => (settled === 'ok' ? 'ok' : ask(checked, index + 1, worse(problem, settled))));
      if (verdict === 'ok') return 'ok';
      problem = worse(problem, verdict);
    }
    return settle(problem);
  };
  return (checked) => ask(checked, 0, 'missing');
}

/** Which of two problems is told: a token that is wrong, before one of somebody else, before none. */
function worse(known: TokenVerdict, next: TokenVerdict): TokenVerdict {
  return known === 'missing' || (next !== 'missing' && next !== 'unknown-issuer') ? next : known;
}

type RequestTest = (request: AccessRequest) => boolean;

/** Whether all conditions can be told from the request; a rule that has others refuses whatever comes as far as it. */
function isEvaluable({
  path: _path,
  methods: _methods,
  headers: _headers,
  query: _query,
  grpc: _grpc,
  ...others
}: RouteMatch): boolean {
  return Object.values(others).every((value) => value === undefined);
}

const refuseAll: Requirement = () => 'verification-failed';

/** Compiles the conditions of a rule; one that asks for nothing lets requests in. */
function compileMatch(match: RouteMatch, refuses: boolean): RequestTest {
  const tests: RequestTest[] = [];
  const { path, methods, headers = [], query = [], grpc } = match;
  if (path !== undefined) tests.push(compileAccessPath(path, refuses));
  if (methods !== undefined) tests.push(({ method }) => methods.includes(method));
  for (const header of headers)
    tests.push(
      compileValue<AccessRequest>({ ...header, name: header.name.toLowerCase() }, (request, name) => request.header(name)),
    );
  for (const parameter of query)
    tests.push(compileValue<AccessRequest>(parameter, (request, name) => queryParameter(request.path, name)));
  if (grpc === true) tests.push((request) => String(request.header('content-type') ?? '').startsWith('application/grpc'));
  if (tests.length === 1) return tests[0]!;
  return (request) => tests.every((test) => test(request));
}
