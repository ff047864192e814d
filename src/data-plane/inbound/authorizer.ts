/**
 * Authorization of requests: DENY before CUSTOM before ALLOW.
 *
 * A DENY rule that matches refuses. Then, where a CUSTOM rule matches, somebody outside is asked, and the answer may change headers, so
 * that what is after it is evaluated when it is there (`checkAnswered`). Then each stage of ALLOW policies has to allow: a stage
 * without rules allows nothing. Without ALLOW policies everything is allowed that was not denied.
 *
 * Verdicts are made when the policies are compiled; a check makes nothing. Source of the order: Istio's authorization policies; of the
 * details: Envoy's RBAC filter.
 */
import type { AuthorizationPolicyConfig, AuthorizationRule } from '../../model/authorization.ts';
import type { AccessRequest } from './access-request.ts';
import { compileCondition, every, some, type AccessTest } from './access-test.ts';
import { compileFirstMatch, type FirstMatch } from './rule-index.ts';

/** What becomes of a request. `rule` is the name of the rule that decided. */
export type AccessVerdict =
  | { readonly kind: 'allowed'; readonly rule?: string }
  /** `details` are Envoy's response code details. */
  | { readonly kind: 'denied'; readonly rule?: string; readonly details: string }
  /** Each of these providers has to say yes; then `checkAnswered` has the last word. */
  | { readonly kind: 'ask'; readonly policies: readonly AskedPolicy[] };

/** A provider that is asked, and the first rule that wants it. */
export interface AskedPolicy {
  readonly provider: string;
  readonly rule: string;
}

/** What a policy without effect came to: a dry run, or an audit that matched. */
export interface AccessReport {
  readonly kind: 'dry-run' | 'audit';
  /** What a dry run of DENY or ALLOW would have done; of an audit, or a dry run of CUSTOM, that it matched. */
  readonly verdict: 'allowed' | 'denied' | 'matched';
  /** The rule that matched; absent = none did. */
  readonly policy: string | undefined;
}

/** Hears what dry runs and audits came to. */
export type AccessListener = (report: AccessReport, request: AccessRequest) => void;

/** Compiled policies of a filter chain or a route. */
export interface Authorizer {
  /** The verdict on a request. Never throws: where a rule cannot be evaluated, the request is denied. */
  check(request: AccessRequest): AccessVerdict;
  /** The verdict after all that were asked have said yes: DENY and ALLOW over what the request is now. Never `ask`. */
  checkAnswered(request: AccessRequest): AccessVerdict;
}

const allowed: AccessVerdict = Object.freeze({ kind: 'allowed' });
const nothingAllowed: AccessVerdict = Object.freeze({ kind: 'denied', details: accessDetails(undefined) });
/** A rule that could not be evaluated. */
const failed: AccessVerdict = Object.freeze({ kind: 'denied', details: 'rbac_access_denied_evaluation_failed' });

/** Envoy's response code details of a refusal by this rule, or because none allowed. Blanks in names would split its log lines. */
export function accessDetails(rule: string | undefined): string {
  return `rbac_access_denied_matched_policy[${rule === undefined ? 'none' : rule.replaceAll(/[\t\n\v\f\r ]/g, '_')}]`;
}

/**
 * Compiles policies. Never throws: a condition that cannot be compiled refuses. Patterns run on RE2; the store has loaded its engine
 * before a policy gets here. `listener` hears of dry runs and audits; without one they cost nothing.
 */
export function compileAuthorizer(policies: readonly AuthorizationPolicyConfig[], listener?: AccessListener): Authorizer {
  const enforced = policies.filter(({ dryRun, action }) => dryRun !== true && action !== 'audit');
  const denying = compileRules(enforced, 'deny', (rule) => ({ kind: 'denied', rule, details: accessDetails(rule) }));
  const asking = compileAsking(enforced.filter(({ action }) => action === 'custom'));
  const stages = stagesOf(enforced);
  const reports = listener === undefined ? [] : compileReports(policies, listener);

  const checkAnswered = (request: AccessRequest): AccessVerdict => {
    try {
      return denying(request) ?? allowedBy(stages, request);
    } catch {
      return failed;
    }
  };
  return {
    check(request) {
      for (const report of reports) report(request);
      if (asking === undefined) return checkAnswered(request);
      try {
        return denying(request) ?? asking(request) ?? allowedBy(stages, request);
      } catch {
        return failed;
      }
    },
    checkAnswered,
  };
}

function compileRules(
  policies: readonly AuthorizationPolicyConfig[],
  action: 'allow' | 'deny',
  verdictOf: (rule: string) => AccessVerdict,
): FirstMatch<AccessVerdict> {
  const rules = policies.filter((policy) => policy.action === action).flatMap((policy) => policy.rules);
  return compileFirstMatch(
    rules.map((rule) => ({ rule, matches: compileRule(rule, action), verdict: Object.freeze(verdictOf(rule.name)) })),
  );
}

/** A rule that names nobody or nothing is one that was not understood; nothing is let in by it. */
function compileRule({ principals, permissions }: AuthorizationRule, action: AuthorizationPolicyConfig['action']): AccessTest {
  // Whoever is asked about too much, or reported too often, is not let in by it.
  const sense = { refuses: action !== 'allow', denies: action === 'deny' };
  if (principals.length === 0 || permissions.length === 0) return () => sense.refuses;
  const what = some(permissions.map((each) => compileCondition(each, sense)));
  const who = some(principals.map((each) => compileCondition(each, sense)));
  return every([what, who]);
}

function stagesOf(policies: readonly AuthorizationPolicyConfig[]): readonly FirstMatch<AccessVerdict>[] {
  const byStage = Map.groupBy(
    policies.filter(({ action }) => action === 'allow'),
    ({ stage = 0 }) => stage,
  );
  return [...byStage]
    .toSorted(([one], [other]) => one - other)
    .map(([, stage]) => compileRules(stage, 'allow', (rule) => ({ kind: 'allowed', rule })));
}

/** The verdict of the stages: that of the last one, unless one allows nothing of it. */
function allowedBy(stages: readonly FirstMatch<AccessVerdict>[], request: AccessRequest): AccessVerdict {
  let verdict = allowed;
  for (const allowing of stages) {
    const found = allowing(request);
    if (found === undefined) return nothingAllowed;
    verdict = found;
  }
  return verdict;
}

/** Undefined = nobody is ever asked. A policy that names no provider cannot be carried out and refuses what it matches. */
function compileAsking(
  policies: readonly AuthorizationPolicyConfig[],
): ((request: AccessRequest) => AccessVerdict | undefined) | undefined {
  if (policies.length === 0) return undefined;
  const rules = policies.flatMap(({ provider, rules: own }) =>
    own.map((rule) => ({ provider, rule: rule.name, matches: compileRule(rule, 'custom') })),
  );
  return (request) => {
    let asked: AskedPolicy[] | undefined;
    for (const { provider, rule, matches } of rules) {
      if (asked?.some((each) => each.provider === provider) === true || !matches(request)) continue;
      if (provider === undefined) return { kind: 'denied', rule, details: accessDetails(rule) };
      asked ??= [];
      asked.push({ provider, rule });
    }
    return asked && { kind: 'ask', policies: asked };
  };
}

/** Dry runs of one action and stage are one set of rules, as they are one filter in Envoy; audits tell what they matched. */
function compileReports(
  policies: readonly AuthorizationPolicyConfig[],
  listener: AccessListener,
): readonly ((request: AccessRequest) => void)[] {
  const silent = policies.filter(({ dryRun, action }) => dryRun === true || action === 'audit');
  const sets = Map.groupBy(silent, ({ action, stage = 0 }) => `${action} ${stage}`);
  return [...sets.values()].map((set) => compileReport(set, listener));
}

function compileReport(set: readonly AuthorizationPolicyConfig[], listener: AccessListener): (request: AccessRequest) => void {
  const { action } = set[0]!;
  const kind = action === 'audit' ? 'audit' : 'dry-run';
  const verdict = ({ allow: 'allowed', deny: 'denied', audit: 'matched', custom: 'matched' } as const)[action];
  const reportOf = (rule: string | undefined, came: AccessReport['verdict']): AccessReport =>
    Object.freeze({ kind, verdict: came, policy: rule });
  const rules = set
    .flatMap((policy) => policy.rules)
    .map((rule) => ({ matches: compileRule(rule, action), report: reportOf(rule.name, verdict) }));
  const otherwise =
    action === 'allow' ? reportOf(undefined, 'denied') : action === 'deny' ? reportOf(undefined, 'allowed') : undefined;
  return (request) => {
    try {
      const report = rules.find(({ matches }) => matches(request))?.report ?? otherwise;
      if (report !== undefined) listener(report, request);
    } catch {
      // A policy without effect has none when it fails either.
    }
  };
}
