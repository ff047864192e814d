/**
 * Access rules (`filters.http.rbac`, `filters.network.rbac`). Nothing may be let in because a condition is not known here: a rule of a
 * DENY filter that cannot be evaluated matches every request, one of an ALLOW filter none, and what cannot be read as rules at all
 * (the matcher API) refuses everything. Each such place is reported.
 */
import type { AuthorizationPolicyConfig, AuthorizationRule } from '../../../../model/authorization.ts';
import type { Message } from '../message.ts';
import { permissionFrom, principalFrom, type RuleContext } from './access-rules.ts';
import { never, type PayloadKeys } from './claims.ts';

/** Access rules of one filter. */
export interface AccessRules {
  /** Those that have an effect, of audits too. */
  readonly enforced: readonly AuthorizationPolicyConfig[];
  /** Shadow rules: dry runs, unless an external authorizer is asked by them. */
  readonly shadow: readonly AuthorizationPolicyConfig[];
  /** Prefix of what the shadow rules note for other filters. */
  readonly shadowPrefix: string;
  /** Whether it has to allow a request. */
  readonly allows: boolean;
}

type Action = 'allow' | 'deny' | 'audit';

/** A policy that refuses everything, in place of what cannot be carried out. */
export function refusal(name: string): AuthorizationPolicyConfig {
  return { name, action: 'deny', rules: [{ name, principals: [{ kind: 'any' }], permissions: [{ kind: 'any' }] }] };
}

/** Reads an `RBAC` of HTTP or of the network; `name` is that of its filter. */
export function accessRulesFrom(message: Message, name: string, payloads: PayloadKeys): AccessRules {
  message.skip('stat_prefix', 'rules_stat_prefix', 'track_per_rule_stats', 'enforcement_type', 'delay_deny');
  const shadowPrefix = message.text('shadow_rules_stat_prefix') ?? '';
  const shadow = rulesFrom(message.message('shadow_rules'), name, payloads);
  markRead(message, 'shadow_matcher', 'the matcher API is not carried out; nothing is noted');
  if (markRead(message, 'matcher', 'the matcher API is not carried out, so that every request is refused')) {
    message.message('rules')?.markRead();
    return { enforced: [refusal(name)], shadow, shadowPrefix, allows: false };
  }
  const enforced = rulesFrom(message.message('rules'), name, payloads);
  return { enforced, shadow, shadowPrefix, allows: enforced.some(({ action }) => action === 'allow') };
}

function markRead(message: Message, name: string, reason: string): boolean {
  if (!message.has(name)) return false;
  message.message(name)?.markRead();
  message.note(name, reason);
  return true;
}

/** Reads a `config.rbac.v3.RBAC`. Envoy asks the rules in the order of their names. */
function rulesFrom(message: Message | undefined, filter: string, payloads: PayloadKeys): readonly AuthorizationPolicyConfig[] {
  if (message === undefined) return [];
  const action = ({ ALLOW: 'allow', DENY: 'deny', LOG: 'audit' } as const)[
    message.choice('action', ['ALLOW', 'DENY', 'LOG']) ?? 'ALLOW'
  ];
  if (message.has('audit_logging_options')) {
    message.message('audit_logging_options')?.markRead();
    message.note('audit_logging_options', 'what is refused is told by the telemetry of the mesh');
  }
  const policies = message.message('policies');
  const names = (policies?.keys() ?? []).toSorted();
  const rules = names.flatMap((name) => {
    const policy = policies!.message(name);
    return policy === undefined ? [] : [ruleFrom(policy, name, action, payloads)];
  });
  const groups = Map.groupBy(rules, (rule) => policyName(rule.name) ?? filter);
  // Without a rule nothing is allowed; there is nothing to deny and nothing to audit.
  if (groups.size === 0) return action === 'allow' ? [{ name: filter, action, rules: [] }] : [];
  return [...groups].map(([name, group]) => ({ name, action, rules: group }));
}

/** Of `ns[bank]-policy[no-admin]-rule[0]` the part that names the policy (Istio). */
function policyName(rule: string): string | undefined {
  return /(ns\[[^\]]*\]-policy\[[^\]]*\])-rule\[\d+\]$/.exec(rule)?.[1];
}

function ruleFrom(message: Message, name: string, action: Action, payloads: PayloadKeys): AuthorizationRule {
  const context: RuleContext = { payloads, missing: [] };
  const permissions = message.messages('permissions').map((permission) => permissionFrom(permission, context));
  const principals = message.messages('principals').map((principal) => principalFrom(principal, context));
  for (const condition of ['condition', 'checked_condition'] as const) {
    if (!message.has(condition)) continue;
    message.message(condition)?.markRead();
    context.missing.push(`the expression at ${message.at(condition)}`);
  }
  if (permissions.length === 0) message.problem('permissions', 'must have at least one');
  if (principals.length === 0) message.problem('principals', 'must have at least one');
  const [first] = context.missing;
  if (first === undefined) return { name, principals, permissions };
  const matches = action === 'deny';
  message.findings.note(
    message.path,
    `${first} cannot be evaluated, so that the rule matches ${matches ? 'every request' : 'none'}`,
  );
  return { name, principals: [matches ? { kind: 'any' } : never], permissions: [{ kind: 'any' }] };
}
