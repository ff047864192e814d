/**
 * HTTP filters that are policies of a request here: fault, local rate limit, stateful session, header mutation. The same messages
 * stand in the chain of a connection manager and, for a part of the requests, in `typed_per_filter_config`.
 */
import type { AuthorizationPolicyConfig } from '../../../model/authorization.ts';
import type { CorsConfig, FaultConfig, HeaderMutation, LocalRateLimitConfig } from '../../../model/policy.ts';
import type { SessionAffinity } from '../../../model/affinity.ts';
import { faultFrom } from './fault.ts';
import { filterOf, isHarmless, type FilterName } from './filter-kinds.ts';
import type { Surroundings } from './format.ts';
import { followedBy, mutationListFrom } from './header-mutation.ts';
import { rateLimitFrom } from './local-rate-limit.ts';
import type { Message } from './message.ts';
import { typedMessage, type TypedMessage } from './typed-message.ts';
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
  /** Inbound, instead of the policies of the chain. */
  authorization?: readonly AuthorizationPolicyConfig[];
  /** Inbound. */
  cors?: CorsConfig | false;
  /** Filters of this place that are not carried out: letting requests pass without them would be worse than refusing them. */
  refused?: readonly { readonly name: string; readonly reason: string }[];
  /** Names of filters that are switched off at this place, whatever is said farther out. */
  off?: readonly string[];
  /** Set by {@link effectivePolicy} where requests are refused: why. */
  unsupported?: string;
}

/** Reads filters of the way in at a place below the chain: into `policy`, and true when it was one of them. */
export type InboundFilters = (name: string, config: TypedMessage, policy: FilterPolicy) => boolean;

export type { FilterName };

/** Reads `typed_per_filter_config` of a place. */
export function perFilterPolicy(owner: Message, surroundings: Surroundings): FilterPolicy {
  const map = owner.message('typed_per_filter_config');
  const policy: FilterPolicy = {};
  for (const name of map?.keys() ?? []) {
    const message = map!.message(name);
    if (message !== undefined) readPlaced(map!, name, message, policy, surroundings);
  }
  return policy;
}

function readPlaced(map: Message, name: string, message: Message, policy: FilterPolicy, surroundings: Surroundings): void {
  const written = typedMessage(message);
  const filter = filterOf(written.type, name) ?? filterOf('', name);
  if (filter !== undefined && surroundings.filters?.has(filter) === false) {
    map.note(name, 'has no effect: the connection manager has no such filter');
    message.markRead();
    return;
  }
  // A `FilterConfig` may switch the filter off, or say that whoever does not know it may leave it out.
  const isWrapped =
    written.type === 'envoy.config.route.v3.FilterConfig' || (written.type === '' && written.message.has('config'));
  const isSwitch = written.type === '' && written.message.has('disabled') && filter !== 'stateful_session';
  if (!isWrapped && !isSwitch) {
    readFilter(name, written, policy, surroundings, { isPerRoute: true, isOptional: false });
    return;
  }
  const isOptional = written.message.flag('is_optional') === true;
  const isOff = written.message.flag('disabled') === true;
  if (isOff) {
    policy.off = [...(policy.off ?? []), name];
    switchOff(filter, policy);
    surroundings.inbound?.(name, { type: '', message: written.message }, policy);
  }
  const config = written.message.any('config');
  if (isOff) config?.message.markRead();
  else if (config !== undefined) readFilter(name, config, policy, surroundings, { isPerRoute: true, isOptional });
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

/** How a filter is given. */
export interface FilterPlace {
  readonly isPerRoute: boolean;
  /** Whoever does not know the filter may leave it out. */
  readonly isOptional: boolean;
}

/** Reads what a filter does into `policy`. One that is not carried out refuses requests, unless it may be left out. */
export function readFilter(
  name: string,
  { type, message }: TypedMessage,
  policy: FilterPolicy,
  surroundings: Surroundings,
  { isPerRoute, isOptional }: FilterPlace,
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
      if (isPerRoute && surroundings.inbound?.(name, { type, message }, policy) === true) return;
      if (!isHarmless(type, name)) refuse(name, type === '' ? name : type, message, policy, isOptional);
      message.markRead();
    }
  }
}

function refuse(name: string, what: string, message: Message, policy: FilterPolicy, isOptional: boolean): void {
  if (isOptional) {
    message.findings.note(message.path, `the filter ${what} is not carried out, and is optional: requests go on without it`);
    return;
  }
  message.findings.note(message.path, `the filter ${what} is not carried out, so that the requests of this place fail`);
  policy.refused = [
    ...(policy.refused ?? []),
    { name, reason: `the filter ${name} (${what}) is not carried out by this version` },
  ];
}

/**
 * The policy of the places from the nearest to the farthest, the filter chain at the end. The nearest wins, filter by filter; only
 * header mutations are all carried out, first those of the chain.
 */
export function effectivePolicy(places: readonly FilterPolicy[]): FilterPolicy {
  const result: FilterPolicy = {};
  for (const place of places.toReversed()) Object.assign(result, place);
  const unsupported = refusalOf(places);
  if (unsupported !== undefined) result.unsupported = unsupported;
  const inner = places.slice(0, -1);
  const order = [...places.slice(-1), ...(result.mostSpecificWins === true ? inner.toReversed() : inner)];
  for (const key of ['requestHeaders', 'responseHeaders'] as const) {
    if (result[key] === undefined || result[key] === false) continue;
    result[key] = order.reduce<HeaderMutation | undefined>((sum, place) => followedBy(sum, place[key] || undefined), undefined)!;
  }
  return result;
}

/** Why requests fail that these places hold for, the nearest first; undefined where nothing refuses them. */
export function refusalOf(places: readonly FilterPolicy[]): string | undefined {
  const off = new Set<string>();
  for (const place of places) {
    for (const { name, reason } of place.refused ?? []) if (!off.has(name)) return reason;
    for (const name of place.off ?? []) off.add(name);
  }
  return undefined;
}
