/**
 * What the filters of one chain say about who may come in, gathered in the order in which they stand: tokens come before the rules
 * that look at their claims, and a shadow rule before the authorizer that is asked because of it.
 */
import type { AuthorizationPolicyConfig, AuthorizationRule, ExternalAuthorizerConfig } from '../../../../model/authorization.ts';
import type { FilterChainConfig } from '../../../../model/listener.ts';
import type { StringMatcher } from '../../../../model/match.ts';
import type { Message } from '../message.ts';
import type { PayloadKeys } from './claims.ts';
import { authorizerFrom } from './ext-authz.ts';
import { jwtFrom, type JwtFilter } from './jwt.ts';
import { accessRulesFrom, refusal, type AccessRules } from './rbac.ts';

/** The parts of a filter chain about access. */
export type AccessConfig = Pick<FilterChainConfig, 'authorization' | 'jwt' | 'jwtRules' | 'externalAuthorizers'>;

interface RuleFilter {
  readonly name: string;
  readonly payloads: PayloadKeys;
  readonly rules: AccessRules;
}

interface Authorizer {
  readonly config: ExternalAuthorizerConfig;
  readonly custom: readonly AuthorizationPolicyConfig[];
}

/** Gathers the access filters of a chain. */
export class Access {
  private payloads: PayloadKeys = new Map();
  private readonly filters: RuleFilter[] = [];
  private readonly tokens: JwtFilter[] = [];
  private readonly authorizers: Authorizer[] = [];
  private readonly refusals: AuthorizationPolicyConfig[] = [];
  /** Shadow rules by which an authorizer is asked. */
  private readonly asking = new Set<AuthorizationRule>();

  /** Names of the filters by what they are. */
  private readonly kinds = new Map<string, 'rules' | 'tokens' | 'authorizer'>();

  /** What the filter of this name is; undefined when it is none of these. */
  kindOf(name: string): 'rules' | 'tokens' | 'authorizer' | undefined {
    return this.kinds.get(name);
  }

  /** Access rules. */
  addRules(message: Message, name: string): void {
    this.kinds.set(name, 'rules');
    this.filters.push({ name, payloads: this.payloads, rules: accessRulesFrom(message, name, this.payloads) });
  }

  /** Tokens. */
  addTokens(message: Message, name: string): void {
    this.kinds.set(name, 'tokens');
    if (this.tokens.length > 0) {
      message.markRead();
      this.refuse(message, name, 'a second filter for tokens is not carried out, so that every request is refused');
      return;
    }
    const filter = jwtFrom(message, name);
    this.tokens.push(filter);
    this.payloads = filter.payloads;
    this.refusals.push(...filter.refusals);
  }

  /** A service that is asked. */
  addAuthorizer(message: Message, name: string): void {
    this.kinds.set(name, 'authorizer');
    const { config, askedBy } = authorizerFrom(message);
    if (config === 'off') return;
    if (config === undefined) this.refusals.push(refusal(name));
    else if (askedBy === undefined) this.authorizers.push({ config, custom: [askedAlways(config)] });
    else this.authorizers.push({ config, custom: this.askedPolicies(config, askedBy) });
  }

  /** A filter that cannot be carried out and that may be there to keep requests out. */
  refuse(message: Message, name: string, reason: string): void {
    message.findings.note(message.path, reason);
    this.refusals.push(refusal(name));
  }

  /** As {@link refuse}, of what has been reported. */
  refuseSilently(name: string): void {
    this.refusals.push(refusal(name));
  }

  private askedPolicies(
    { name }: ExternalAuthorizerConfig,
    { key, rule }: { readonly key: string; readonly rule: StringMatcher },
  ): readonly AuthorizationPolicyConfig[] {
    const custom: AuthorizationPolicyConfig[] = [];
    for (const { rules } of this.filters) {
      if (`${rules.shadowPrefix}shadow_effective_policy_id` !== key) continue;
      for (const policy of rules.shadow) {
        const asked = policy.rules.filter((each) => isNamed(each.name, rule));
        if (asked.length === 0) continue;
        for (const each of asked) this.asking.add(each);
        custom.push({ name: policy.name, action: 'custom', provider: name, rules: asked });
      }
    }
    return custom;
  }

  /** All of it, for the chain. */
  config(): AccessConfig {
    const [tokens] = this.tokens;
    return {
      ...(tokens !== undefined && tokenConfig(tokens)),
      authorization: this.policies(),
      ...(this.authorizers.length > 0 && { externalAuthorizers: this.authorizers.map(({ config }) => config) }),
    };
  }

  /** For a route that has rules of its own instead of those of the filter with that name; undefined = no rules there. */
  policiesWith(name: string, message: Message | undefined): readonly AuthorizationPolicyConfig[] {
    const own = this.filters.find((filter) => filter.name === name);
    const replaced = message && accessRulesFrom(message, name, own?.payloads ?? this.payloads);
    const rest = this.filters.filter((filter) => filter.name !== name).map(({ rules }) => rules);
    return this.policies(replaced === undefined ? rest : [...rest, replaced]);
  }

  private policies(
    filters: readonly AccessRules[] = this.filters.map(({ rules }) => rules),
  ): readonly AuthorizationPolicyConfig[] {
    let stage = 0;
    const policies = filters.flatMap(({ enforced, shadow, allows }) => {
      const own = stage;
      if (allows) stage += 1;
      return [
        ...enforced.map((policy) => (policy.action === 'allow' && own > 0 ? { ...policy, stage: own } : policy)),
        ...shadow.flatMap((policy) => this.dryRun(policy)),
      ];
    });
    const custom = this.authorizers.flatMap((authorizer) => authorizer.custom);
    return [...this.refusals, ...custom, ...policies];
  }

  /** What is left of shadow rules besides those that somebody is asked by. */
  private dryRun(policy: AuthorizationPolicyConfig): readonly AuthorizationPolicyConfig[] {
    const rules = policy.rules.filter((rule) => !this.asking.has(rule));
    return rules.length === 0 && policy.rules.length > 0 ? [] : [{ ...policy, rules, dryRun: true }];
  }
}

function askedAlways({ name }: ExternalAuthorizerConfig): AuthorizationPolicyConfig {
  return {
    name,
    action: 'custom',
    provider: name,
    rules: [{ name, principals: [{ kind: 'any' }], permissions: [{ kind: 'any' }] }],
  };
}

function isNamed(name: string, test: StringMatcher): boolean {
  if (test.kind === 'prefix') return name.startsWith(test.value);
  // What Istio sends is a prefix; whatever else there is, it is rather asked once too often.
  return test.kind !== 'exact' || name === test.value;
}

/** One provider whose token every request needs, or may have, needs no rules. */
function tokenConfig({ providers, rules }: JwtFilter): Pick<FilterChainConfig, 'jwt' | 'jwtRules'> {
  const [provider, another] = providers;
  const [rule, more] = rules;
  const isForAll = rule !== undefined && more === undefined && isMatchAll(rule.match);
  if (provider !== undefined && another === undefined && isForAll && rule.requires !== undefined) {
    const { requires } = rule;
    const needs = (each: unknown): boolean =>
      JSON.stringify(each) === JSON.stringify({ kind: 'provider', provider: provider.name });
    if (needs(requires)) return { jwt: providers };
    const mayMiss = requires.kind === 'some' && requires.of.length === 2 && requires.of.some(({ kind }) => kind === 'missing');
    if (mayMiss && requires.of.some(needs)) return { jwt: [{ ...provider, allowMissing: true }] };
  }
  return { jwt: providers, jwtRules: rules };
}

function isMatchAll({
  path,
  ...others
}: object & { readonly path?: { readonly kind: string; readonly value: string } }): boolean {
  return Object.keys(others).length === 0 && (path === undefined || (path.kind === 'prefix' && path.value === '/'));
}
