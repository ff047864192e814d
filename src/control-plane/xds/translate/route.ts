/** A route, and the policies that a virtual host and a route of Envoy set alike. */
import type { RequestPolicy, RouteAction, RouteConfig } from '../../../model/route.ts';
import type { HeaderMutation, RetryConfig } from '../../../model/policy.ts';
import type { MirrorConfig } from '../../../model/route.ts';
import type { Surroundings } from './format.ts';
import { followedBy, headerMutationFrom } from './header-mutation.ts';
import { effectivePolicy, perFilterPolicy, type FilterPolicy } from './http-filters.ts';
import { internalRedirectFrom } from './internal-redirect.ts';
import type { Message } from './message.ts';
import { metadataFrom } from './metadata.ts';
import { redirectFrom } from './rewrite.ts';
import { hedgeFrom, retryFrom } from './retry-policy.ts';
import { forwardFrom, respondFrom } from './route-action.ts';
import { routeMatchFrom } from './route-match.ts';

/** What a route takes over from the virtual host and the table around it. */
export interface RouteContext {
  readonly surroundings: Surroundings;
  /** Filters of the virtual host, the table and the listener, from the nearest on. */
  readonly filters: readonly FilterPolicy[];
  readonly retry: Message | undefined;
  readonly hedge: Message | undefined;
  readonly bodyBytes: number | undefined;
  readonly mirrors: readonly MirrorConfig[];
}

/** Envoy's timeout of a route that names none. */
const defaultTimeoutMs = 15_000;

/** Reads a `Route`; `fallbackName` is for one that has no name of its own. */
export function routeFrom(message: Message, fallbackName: string, context: RouteContext): RouteConfig {
  const ownName = message.name('name');
  const metadata = metadataFrom(message.message('metadata'));
  const surroundings = { ...context.surroundings, routeName: ownName ?? '', routeMetadata: metadata };
  const match = message.message('match');
  if (match === undefined) message.problem('match', 'must say which requests the route is for');
  const forward = message.message('route');
  const filters = effectivePolicy([perFilterPolicy(message, surroundings), ...context.filters]);
  const written = actionFrom(message, forward, surroundings, context);
  const action = filters.unsupported === undefined ? written : refusedAction(filters.unsupported);
  const operation = operationOf(message);
  const policy: RequestPolicy = {
    ...(forward !== undefined && forwardPolicy(forward, message, context)),
    ...filterPolicy(filters, message, surroundings),
  };
  return {
    name: ownName ?? fallbackName,
    match: match === undefined ? {} : routeMatchFrom(match),
    action,
    ...(Object.keys(policy).length > 0 && { policy }),
    ...(operation !== undefined && { operation }),
    ...(metadata !== undefined && { metadata }),
  };
}

function refusedAction(reason: string): RouteAction {
  return { kind: 'unsupported', reason };
}

function actionFrom(
  message: Message,
  forward: Message | undefined,
  surroundings: Surroundings,
  context: RouteContext,
): RouteAction {
  const kind = message.oneOf('route', 'redirect', 'direct_response', 'filter_action', 'non_forwarding_action');
  if (kind === 'non_forwarding_action' && surroundings.inbound !== undefined) {
    // Inbound, to forward is to hand the request to the handler of this process, whatever the cluster is called.
    message.message(kind);
    return { kind: 'forward', to: [{ cluster: 'inbound', weight: 1 }] };
  }
  switch (kind) {
    case 'route':
      return forward === undefined
        ? refusedAction('the action is no message')
        : forwardFrom(forward, surroundings, context.mirrors);
    case 'redirect': {
      const redirect = message.message(kind);
      return redirect === undefined ? refusedAction('the action is no message') : redirectFrom(redirect);
    }
    case 'direct_response': {
      const answer = message.message(kind);
      return answer === undefined ? refusedAction('the action is no message') : respondFrom(answer);
    }
    case undefined:
      message.findings.problem(message.path, 'must have one of route, redirect and direct_response');
      return refusedAction('the route has no action');
    default:
      message.note(kind, 'is not carried out: requests that reach the route fail');
      return refusedAction(`${kind} is not an action of a client`);
  }
}

function operationOf(message: Message): string | undefined {
  const decorator = message.message('decorator');
  decorator?.skip('propagate');
  return decorator?.name('operation');
}

/** Timeouts, retries, priority and upgrades of a `RouteAction`. */
function forwardPolicy(forward: Message, route: Message, context: RouteContext): RequestPolicy {
  const duration = forward.message('max_stream_duration');
  const maxStreamDurationMs = duration?.durationMs('max_stream_duration');
  const grpcCapMs = duration?.durationMs('grpc_timeout_header_max') ?? forward.durationMs('max_grpc_timeout');
  if ((duration?.durationMs('grpc_timeout_header_offset') ?? 0) > 0)
    duration!.note('grpc_timeout_header_offset', 'is not taken off the timeout');
  const idleTimeoutMs = forward.durationMs('idle_timeout');
  const timeoutMs = forward.durationMs('timeout') ?? defaultTimeoutMs;
  const priority = forward.choice('priority', ['DEFAULT', 'HIGH']);
  const retry = retryOf(forward, bodyLimitOf(route) ?? context.bodyBytes, context);
  const hedging = forward.message('hedge_policy') ?? context.hedge;
  const hedge = hedging && hedgeFrom(hedging, retry);
  const redirect = forward.message('internal_redirect_policy');
  const upgrades = upgradesOf(forward.messages('upgrade_configs'));
  return {
    timeoutMs,
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    ...(maxStreamDurationMs !== undefined && { maxStreamDurationMs }),
    ...(grpcCapMs !== undefined && { grpcTimeoutCapMs: grpcCapMs }),
    ...(retry !== undefined && { retry }),
    ...(hedge !== undefined && { hedge }),
    ...(redirect !== undefined && { internalRedirect: internalRedirectFrom(redirect) }),
    ...(priority === 'HIGH' && { priority: 'high' as const }),
    ...(upgrades !== undefined && { upgrades }),
  };
}

function retryOf(forward: Message, bodyBytes: number | undefined, context: RouteContext): RetryConfig | undefined {
  const policy = forward.message('retry_policy') ?? context.retry;
  return policy && retryFrom(policy, bodyBytes);
}

/** The limit of a route or virtual host on the body that is kept. */
export function bodyLimitOf(message: Message): number | undefined {
  const limit = message.whole('request_body_buffer_limit', 0, Number.MAX_SAFE_INTEGER);
  return limit ?? message.whole('per_request_buffer_limit_bytes');
}

/** Reads `upgrade_configs`; undefined when there are none. */
export function upgradesOf(configs: readonly Message[]): readonly string[] | undefined {
  if (configs.length === 0) return undefined;
  return configs.flatMap((config) => {
    const type = config.name('upgrade_type');
    const isOn = config.flag('enabled') ?? true;
    if (type === undefined) config.problem('upgrade_type', 'must be the name of a protocol');
    return type === undefined || !isOn ? [] : [type.toLowerCase()];
  });
}

/** The policy of the filters together with the header mutations of the place: filters come first on the way out, last on the way back. */
function filterPolicy(filters: FilterPolicy, message: Message, surroundings: Surroundings): RequestPolicy {
  const { fault, rateLimit, sessionAffinity, authorization, cors } = filters;
  const requestHeaders = followedBy(filters.requestHeaders || undefined, headerMutationFrom(message, 'request', surroundings));
  const responseHeaders = followedBy(headerMutationFrom(message, 'response', surroundings), filters.responseHeaders || undefined);
  return {
    ...(fault !== undefined && fault !== false && { fault }),
    ...(rateLimit !== undefined && rateLimit !== false && { rateLimit }),
    ...(sessionAffinity !== undefined && sessionAffinity !== false && { sessionAffinity }),
    ...(authorization !== undefined && { authorization }),
    ...(cors !== undefined && cors !== false && { cors }),
    ...headersOf(requestHeaders, responseHeaders),
  };
}

/** The header mutations of a place, where there are any. */
export function headersOf(requestHeaders?: HeaderMutation, responseHeaders?: HeaderMutation): RequestPolicy {
  return {
    ...(requestHeaders !== undefined && { requestHeaders }),
    ...(responseHeaders !== undefined && { responseHeaders }),
  };
}
