/** What becomes of each field of a listener, a route table and a route (see field-support.ts). */
import type { OutboundListenerConfig } from '../../model/listener.ts';
import type { RouteMatch } from '../../model/match.ts';
import type { LocalRateLimitConfig, RetryConfig } from '../../model/policy.ts';
import type {
  ForwardOptions,
  MirrorConfig,
  RequestPolicy,
  RouteAction,
  RouteConfig,
  RouteTableConfig,
  VirtualHostConfig,
  WeightedDestination,
} from '../../model/route.ts';
import { each, notYet, only, parts, reportFields, type FieldTable, type Unhonoured } from '../field-support.ts';

const inbound = { reason: 'belongs to the way in; the way out does not read it' } as const;
const refused = (what: string): { readonly reason: string } => ({
  reason: `${what} is not carried out by this version, so requests that reach it fail`,
});

/** Fields of `RetryConfig`. */
export const retryFields: FieldTable<RetryConfig> = {
  maxAttempts: 'honoured',
  on: 'honoured',
  statusCodes: 'honoured',
  retriableHeaders: 'honoured',
  requestHeaders: 'honoured',
  perTryTimeoutMs: 'honoured',
  perTryIdleTimeoutMs: 'honoured',
  lastTryUntimed: 'honoured',
  backoff: 'honoured',
  resetHeaders: 'honoured',
  maxResetMs: 'honoured',
  budget: 'honoured',
  avoidTriedHosts: 'honoured',
  hostSelectionAttempts: 'honoured',
  avoidHostMetadata: 'honoured',
  priorityUpdateFrequency: 'honoured',
  maxBodyBytes: 'honoured',
  nonIdempotent: 'honoured',
};

/** Fields of `LocalRateLimitConfig`. */
export const rateLimitFields: FieldTable<LocalRateLimitConfig> = {
  maxTokens: 'honoured',
  tokensPerFill: 'honoured',
  fillIntervalMs: 'honoured',
  status: 'honoured',
  responseHeaders: 'honoured',
  perIdentity: inbound,
  overrides: inbound,
};

/** Fields of `RequestPolicy`. */
export const requestPolicyFields: FieldTable<RequestPolicy> = {
  timeoutMs: 'honoured',
  responseTimeoutMs: 'honoured',
  idleTimeoutMs: 'honoured',
  maxStreamDurationMs: 'honoured',
  grpcTimeoutCapMs: 'honoured',
  retry: parts(retryFields),
  hedge: 'honoured',
  internalRedirect: 'honoured',
  fault: 'honoured',
  rateLimit: parts(rateLimitFields),
  requestHeaders: 'honoured',
  responseHeaders: 'honoured',
  sessionAffinity: 'honoured',
  priority: 'honoured',
  includeAttemptCount: 'honoured',
  includeAttemptCountInResponse: 'honoured',
  overrideHeaders: 'honoured',
  upgrades: 'honoured',
  cors: inbound,
  authorization: inbound,
  externalAuthorization: refused('asking an authorizer'),
};

/** Fields of `MirrorConfig`. */
export const mirrorFields: FieldTable<MirrorConfig> = {
  cluster: 'honoured',
  subset: 'honoured',
  fraction: 'honoured',
  hostSuffix: 'honoured',
  traceSampled: { reason: 'copies carry the trace headers of the request and have no span of their own' },
};

/** Fields of `WeightedDestination`. */
export const destinationFields: FieldTable<WeightedDestination> = {
  cluster: 'honoured',
  subset: 'honoured',
  weight: 'honoured',
  requestHeaders: 'honoured',
  responseHeaders: 'honoured',
  pathRewrite: 'honoured',
  hostRewrite: 'honoured',
  fault: 'honoured',
  timeoutMs: 'honoured',
  mirror: each(mirrorFields),
  answer: 'honoured',
};

const forwardOptionFields: FieldTable<ForwardOptions> = {
  pathRewrite: 'honoured',
  hostRewrite: 'honoured',
  appendForwardedHost: 'honoured',
  mirror: each(mirrorFields),
  hashPolicies: 'honoured',
  clusterNotFoundStatus: 'honoured',
};

/** Fields of a `forward` action. */
export const forwardFields: FieldTable<Extract<RouteAction, { kind: 'forward' }>> = {
  kind: 'honoured',
  to: each(destinationFields),
  draw: 'honoured',
  ...forwardOptionFields,
};

/** Fields of a `forward-by-header` action. */
export const forwardByHeaderFields: FieldTable<Extract<RouteAction, { kind: 'forward-by-header' }>> = {
  kind: 'honoured',
  header: 'honoured',
  ...forwardOptionFields,
};

/** Fields of `RouteMatch`. */
export const matchFields: FieldTable<RouteMatch> = {
  path: 'honoured',
  methods: 'honoured',
  headers: 'honoured',
  query: 'honoured',
  cookies: 'honoured',
  metadata: 'honoured',
  fraction: 'honoured',
  grpc: 'honoured',
  unsupported: (conditions) =>
    conditions.length === 0 ? undefined : `${conditions.join(', ')}: not supported, so the route never matches`,
};

/** Fields of `RouteConfig`. */
export const routeFields: FieldTable<RouteConfig> = {
  name: 'honoured',
  match: parts(matchFields),
  action: reportAction,
  policy: parts(requestPolicyFields),
  operation: 'honoured',
  metadata: 'shown',
};

/** Fields of `VirtualHostConfig`. */
export const virtualHostFields: FieldTable<VirtualHostConfig> = {
  name: 'honoured',
  domains: 'honoured',
  routes: each(routeFields),
  policy: parts(requestPolicyFields),
  requireTls: 'honoured',
  virtualClusters: 'honoured',
  metadata: 'shown',
};

/** Fields of `RouteTableConfig`. */
export const routeTableFields: FieldTable<RouteTableConfig> = {
  name: 'honoured',
  virtualHosts: each(virtualHostFields),
  policy: parts(requestPolicyFields),
  ignorePortInHost: 'honoured',
  mostSpecificHeadersWin: 'honoured',
  metadata: 'shown',
};

/** Fields of `OutboundListenerConfig`. */
export const outboundListenerFields: FieldTable<OutboundListenerConfig> = {
  direction: 'honoured',
  name: 'honoured',
  port: 'honoured',
  address: { reason: 'its routes serve their domains, whichever address these have' },
  protocol: only('detect', 'its routes serve requests of every protocol'),
  detectTimeoutMs: { reason: 'nothing is detected on the way out' },
  routes: (routes, path, report) => (typeof routes === 'string' ? undefined : parts(routeTableFields)(routes, path, report)),
  policy: parts(requestPolicyFields),
  refused: 'honoured',
  telemetry: notYet,
};

function reportAction(action: RouteAction, path: string, report: (field: Unhonoured) => void): string | undefined {
  if (action.kind === 'forward') reportFields(action, forwardFields, path, report);
  else if (action.kind === 'forward-by-header') reportFields(action, forwardByHeaderFields, path, report);
  return unservedAction(action);
}

/** Why requests that reach this action fail; undefined = they are served. */
export function unservedAction(action: RouteAction): string | undefined {
  return action.kind === 'unsupported' ? action.reason : undefined;
}

/** Why requests under this policy fail; undefined = they are served. A check that is left out would let everybody pass. */
export function unservedPolicy(policy: RequestPolicy): string | undefined {
  return policy.externalAuthorization === undefined ? undefined : 'asking an authorizer is not carried out by this version';
}
