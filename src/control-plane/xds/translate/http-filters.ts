/**
 * HTTP filters that are policies of a request here: fault, local rate limit, stateful session, header mutation. The same messages
 * stand in the chain of a connection manager and, for a part of the requests, in `typed_per_filter_config`.
 */
import type { FaultConfig, HeaderMutation, LocalRateLimitConfig } from '../../../model/policy.ts';
import type { SessionAffinity } from '../../../model/affinity.ts';
import { faultFrom } from './fault.ts';
import type { Surroundings } from './format.ts';
import { followedBy, mutationListFrom } from './header-mutation.ts';
import { rateLimitFrom } from './local-rate-limit.ts';
import { typedMessage, type Message, type TypedMessage } from './message.ts';
import { sessionFrom } from './stateful-session.ts';

/** What the filters do with a request. `false` = switched off at this place, whatever is said farther out. */
export interface FilterPolicy {
  fault?: FaultConfig | false;
  rateLimit?: LocalRateLimitConfig | false;
  sessionAffinity?: SessionAffinity | false;
  requestHeaders?: HeaderMutation | false;
  responseHeaders?: HeaderMutation | false;
  /** Of the mutations of several places the nearest has the last word; by default the farthest has. */
  mostSpecificWins?: boolean;
  /** Set when a check of the chain cannot be carried out: letting requests pass unchecked would be worse than refusing them. */
  unsupported?: string;
}

/** Filters that are known here. */
export type FilterName = 'fault' | 'local_ratelimit' | 'stateful_session' | 'header_mutation' | 'router';

const typePackages: readonly (readonly [part: string, filter: FilterName])[] = [
  ['filters.http.fault.', 'fault'],
  ['filters.http.local_ratelimit.', 'local_ratelimit'],
  ['filters.http.stateful_session.', 'stateful_session'],
  ['filters.http.header_mutation.', 'header_mutation'],
  ['filters.http.router.', 'router'],
];
/** Without these a request would reach what it may not. */
const checks = /filters\.http\.(rbac|ext_authz|jwt_authn|oauth2|basic_auth|api_key_auth)\b/;

/** Which filter this is, by the type of its configuration, else by its name. */
function filterOf(type: string, name: string): FilterName | undefined {
  const found = typePackages.find(([part]) => type.includes(part))?.[1];
  if (found !== undefined || type !== '') return found;
  const last = name.slice(name.lastIndexOf('.') + 1);
  return typePackages.find(([, filter]) => filter === last)?.[1];
}

/** Reads the `http_filters` of a connection manager. */
export function filterChainPolicy(filters: readonly Message[], surroundings: Surroundings): FilterPolicy {
  const policy: FilterPolicy = {};
  for (const filter of filters) {
    const name = filter.text('name') ?? '';
    const config = filter.any('typed_config');
    if (filter.flag('disabled') === true) {
      filter.note('disabled', 'the filter is off, here and on routes that would switch it on');
      config?.message.markRead();
      continue;
    }
    filter.skip('is_optional');
    readFilter(name, config ?? { type: '', message: filter }, policy, surroundings, false);
  }
  return policy;
}

/** Which filters a chain has: what routes say of others has no effect. */
export function filtersOf(filters: readonly Message[]): ReadonlySet<FilterName> {
  const known = filters.map((filter) => filterOf(filter.any('typed_config')?.type ?? '', filter.text('name') ?? ''));
  return new Set(known.filter((name) => name !== undefined));
}

/** Reads `typed_per_filter_config` of a place. */
export function perFilterPolicy(owner: Message, surroundings: Surroundings): FilterPolicy {
  const map = owner.message('typed_per_filter_config');
  const policy: FilterPolicy = {};
  for (const name of map?.keys() ?? []) {
    const message = map!.message(name);
    if (message === undefined) continue;
    const filter = filterOf(typedMessage(message).type, name) ?? filterOf('', name);
    if (filter !== undefined && surroundings.filters?.has(filter) === false) {
      map!.note(name, 'has no effect: the connection manager has no such filter');
      message.markRead();
    } else readFilter(name, unwrapped(typedMessage(message), name, policy), policy, surroundings, true);
  }
  return policy;
}

/** The configuration inside of a `FilterConfig`, which may switch the filter off. */
function unwrapped(config: TypedMessage, name: string, policy: FilterPolicy): TypedMessage {
  const isWrapped = config.type === 'envoy.config.route.v3.FilterConfig' || (config.type === '' && config.message.has('config'));
  const isSwitch = config.type === '' && config.message.has('disabled') && filterOf('', name) !== 'stateful_session';
  if (!isWrapped && !isSwitch) return config;
  config.message.skip('is_optional');
  if (config.message.flag('disabled') === true) switchOff(filterOf('', name), policy);
  return config.message.any('config') ?? { type: '', message: config.message };
}

function switchOff(filter: FilterName | undefined, policy: FilterPolicy): void {
  if (filter === 'fault') policy.fault = false;
  else if (filter === 'local_ratelimit') policy.rateLimit = false;
  else if (filter === 'stateful_session') policy.sessionAffinity = false;
  else if (filter === 'header_mutation') {
    policy.requestHeaders = false;
    policy.responseHeaders = false;
  }
}

function readFilter(
  name: string,
  { type, message }: TypedMessage,
  policy: FilterPolicy,
  surroundings: Surroundings,
  isPerRoute: boolean,
): void {
  const filter = filterOf(type, name);
  switch (filter) {
    case 'fault':
      policy.fault ??= faultFrom(message) ?? false;
      return;
    case 'local_ratelimit':
      policy.rateLimit ??= rateLimitFrom(message, surroundings) ?? false;
      return;
    case 'stateful_session': {
      if (isPerRoute && message.flag('disabled') === true) policy.sessionAffinity = false;
      const session = isPerRoute ? message.message('stateful_session') : message;
      if (session !== undefined) policy.sessionAffinity ??= sessionFrom(session) ?? false;
      return;
    }
    case 'header_mutation': {
      const mutations = message.message('mutations');
      const request = mutations && mutationListFrom(mutations.messages('request_mutations'), surroundings);
      const response = mutations && mutationListFrom(mutations.messages('response_mutations'), surroundings);
      if (message.flag('most_specific_header_mutations_wins') === true) policy.mostSpecificWins = true;
      if (request !== undefined) policy.requestHeaders ??= request;
      if (response !== undefined) policy.responseHeaders ??= response;
      return;
    }
    case 'router':
      return; // Its fields that are left say what Envoy adds to requests; what is not carried out is reported.
    default: {
      const what = type === '' ? name : type;
      message.findings.note(message.path, `the filter ${what} is not carried out`);
      message.markRead();
      if (checks.test(`${what} ${name}`)) policy.unsupported = `the check ${name} is not carried out by this version`;
    }
  }
}

/**
 * The policy of the places from the nearest to the farthest, the filter chain at the end. The nearest wins, filter by filter; only
 * header mutations are all carried out, first those of the chain.
 */
export function effectivePolicy(places: readonly FilterPolicy[]): FilterPolicy {
  const result: FilterPolicy = {};
  for (const place of places.toReversed()) Object.assign(result, place);
  const inner = places.slice(0, -1);
  const order = [...places.slice(-1), ...(result.mostSpecificWins === true ? inner.toReversed() : inner)];
  for (const key of ['requestHeaders', 'responseHeaders'] as const) {
    if (result[key] === undefined || result[key] === false) continue;
    result[key] = order.reduce<HeaderMutation | undefined>((sum, place) => followedBy(sum, place[key] || undefined), undefined)!;
  }
  return result;
}
