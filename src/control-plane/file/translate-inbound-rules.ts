/**
 * `inbound.authorization` → policies of the model. As in Istio a rule holds where `from` and `to` and `when` hold, each where it is set;
 * of a list one value has to match, and `not…` holds where none does.
 */
import type { AuthorizationPolicyConfig, Permission, Principal } from '../../model/authorization.ts';
import type { PathMatcher, StringMatcher } from '../../model/match.ts';
import type { AccessRuleFile } from './schema.ts';
import { cidrFromText, templateFromPattern } from './schema-inbound-values.ts';

type One<T> = T extends readonly (infer I)[] ? I : T;
type SourceFile = One<NonNullable<AccessRuleFile['from']>>;
type OperationFile = One<NonNullable<AccessRuleFile['to']>>;
type ConditionFile = NonNullable<AccessRuleFile['when']>[number];

/** A text with a `*` at one of its ends as a test; `*` alone = whatever is there. */
export function wildcard(pattern: string): StringMatcher {
  if (pattern === '*') return { kind: 'present' };
  if (pattern.startsWith('*')) return { kind: 'suffix', value: pattern.slice(1) };
  if (pattern.endsWith('*')) return { kind: 'prefix', value: pattern.slice(0, -1) };
  return { kind: 'exact', value: pattern };
}

/** A path of a rule as a test. */
export function pathTest(pattern: string): PathMatcher | StringMatcher {
  return pattern.includes('{') ? { kind: 'template', value: templateFromPattern(pattern) } : wildcard(pattern);
}

/** A rule of the file. It is a policy of its own: those that allow are alternatives of each other, in one policy or in several. */
export function policyFromRule(rule: AccessRuleFile): AuthorizationPolicyConfig {
  const { name, action, authorizer, dryRun, from, to, when = [] } = rule;
  const conditions = when.map(principalFromCondition);
  const sources = listOf(from).map(principalFromSource);
  const who: readonly Principal[] =
    conditions.length === 0 ? sources : [all([...(sources.length === 0 ? [] : [some(sources)]), ...conditions])];
  const what = listOf(to).map(permissionFromOperation);
  return {
    name,
    action,
    rules: [
      {
        name,
        principals: who.length === 0 ? [{ kind: 'any' }] : who,
        permissions: what.length === 0 ? [{ kind: 'any' }] : what,
      },
    ],
    ...(dryRun === true && { dryRun }),
    ...(authorizer !== undefined && { provider: authorizer }),
  };
}

function principalFromSource(source: SourceFile): Principal {
  const conditions: Principal[] = [];
  const add = (
    values: readonly string[] | undefined,
    none: readonly string[] | undefined,
    test: (value: string) => Principal,
  ): void => {
    if (values !== undefined) conditions.push(some(values.map(test)));
    if (none !== undefined) conditions.push({ kind: 'not', of: some(none.map(test)) });
  };
  add(source.identities, source.notIdentities, (value) => ({ kind: 'identity', match: wildcard(value) }));
  add(source.namespaces, source.notNamespaces, (value) => ({ kind: 'namespace', match: wildcard(value) }));
  add(source.serviceAccounts, source.notServiceAccounts, ofServiceAccount);
  add(source.requestPrincipals, source.notRequestPrincipals, (value) => ({
    kind: 'request-principal',
    match: wildcard(value),
  }));
  add(source.ipBlocks, source.notIpBlocks, (value) => ({ kind: 'source-ip', which: 'direct', cidr: cidrFromText(value)! }));
  add(source.remoteIpBlocks, source.notRemoteIpBlocks, (value) => ({
    kind: 'source-ip',
    which: 'remote',
    cidr: cidrFromText(value)!,
  }));
  return all(conditions);
}

/** Of a SPIFFE ID `spiffe://<any>/ns/<namespace>/sa/<name>`. */
function ofServiceAccount(value: string): Principal {
  const [namespace = '', name = ''] = value.split('/');
  return {
    kind: 'all',
    of: [
      { kind: 'namespace', match: { kind: 'exact', value: namespace } },
      { kind: 'identity', match: { kind: 'suffix', value: `/ns/${namespace}/sa/${name}` } },
    ],
  };
}

function permissionFromOperation(operation: OperationFile): Permission {
  const conditions: Permission[] = [];
  const add = <T extends string | number>(
    values: readonly T[] | undefined,
    none: readonly T[] | undefined,
    test: (value: T) => Permission,
  ): void => {
    if (values !== undefined) conditions.push(some(values.map(test)));
    if (none !== undefined) conditions.push({ kind: 'not', of: some(none.map(test)) });
  };
  add(operation.hosts, operation.notHosts, (value) => ({ kind: 'host', match: hostTest(value) }));
  add(operation.ports, operation.notPorts, (value) => ({ kind: 'port', start: value, end: value }));
  add(operation.methods, operation.notMethods, (value) => ({ kind: 'method', match: wildcard(value) }));
  add(operation.paths, operation.notPaths, (value) => ({ kind: 'path', match: pathTest(value) }));
  add(operation.serverNames, operation.notServerNames, (value) => ({ kind: 'sni', match: wildcard(value) }));
  add(operation.destinationIpBlocks, operation.notDestinationIpBlocks, (value) => ({
    kind: 'destination-ip',
    cidr: cidrFromText(value)!,
  }));
  return all(conditions);
}

/** Hosts have no case, and the one of a request is in lower case already. */
function hostTest(value: string): StringMatcher {
  const test = wildcard(value);
  return test.kind === 'present' || test.kind === 'regex' ? test : { ...test, ignoreCase: true };
}

function principalFromCondition({ header, claim, values, notValues }: ConditionFile): Principal {
  const test = (value: string): Principal =>
    header === undefined
      ? { kind: 'claim', path: typeof claim === 'string' ? [claim] : claim!, match: wildcard(value) }
      : { kind: 'header', header: { name: header.toLowerCase(), match: wildcard(value) } };
  const conditions: Principal[] = [];
  if (values !== undefined) conditions.push(some(values.map(test)));
  if (notValues !== undefined) conditions.push({ kind: 'not', of: some(notValues.map(test)) });
  return all(conditions);
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

/** One of `of`; the schema made sure that there is one. */
function some<T>(of: readonly T[]): T | { readonly kind: 'some'; readonly of: readonly T[] } {
  return of.length === 1 ? of[0]! : { kind: 'some', of };
}

function all<T>(of: readonly T[]): T | { readonly kind: 'all'; readonly of: readonly T[] } {
  return of.length === 1 ? of[0]! : { kind: 'all', of };
}
