/** What becomes of each field of a way in (see field-support.ts). */
import type { ExternalAuthorizerConfig, JwtProviderConfig } from '../../model/authorization.ts';
import type { FilterChainConfig, InboundLimitsConfig, InboundListenerConfig } from '../../model/listener.ts';
import type { AdmissionConfig, CorsConfig, FaultConfig, LocalRateLimitConfig } from '../../model/policy.ts';
import type { RequestPolicy, RouteAction, RouteConfig, RouteTableConfig, VirtualHostConfig } from '../../model/route.ts';
import type { AccessLogConfig, TelemetryConfig } from '../../model/telemetry.ts';
import { unknownOperators } from '../../telemetry/access-log.ts';
import { each, only, parts, reportFields, type FieldTable, type Unhonoured } from '../field-support.ts';
import { matchFields, unservedAction } from '../routing/route-fields.ts';

const handler = 'how long a request takes is the business of the program, which answers it';
const once = 'the program is asked once, in this process';
const sdk = { reason: 'is not taken over: what is traced and told goes to the OpenTelemetry SDK of the process' } as const;

/** Fields of `InboundLimitsConfig`. */
const inboundLimitsFields: FieldTable<InboundLimitsConfig> = {
  maxConnections: 'honoured',
  maxConnectionAgeMs: 'honoured',
  maxHeaderBytes: 'honoured',
  maxHeaders: 'honoured',
  headersTimeoutMs: 'honoured',
  requestTimeoutMs: 'honoured',
  keepAliveTimeoutMs: 'honoured',
  responseIdleTimeoutMs: 'honoured',
  maxConcurrentStreams: 'honoured',
};

/** Fields of the TLS of a chain. */
const inboundTlsFields: FieldTable<NonNullable<FilterChainConfig['tls']>> = {
  identity: 'honoured',
  trust: 'honoured',
  requireClientCertificate: 'honoured',
  peers: 'honoured',
  alpn: 'honoured',
  minVersion: 'honoured',
  maxVersion: 'honoured',
  cipherSuites: 'honoured',
};

/** Fields of `JwtProviderConfig`. */
const jwtProviderFields: FieldTable<JwtProviderConfig> = {
  name: 'honoured',
  issuer: 'honoured',
  audiences: 'honoured',
  subjects: 'honoured',
  maxLifetimeMs: 'honoured',
  jwks: 'honoured',
  listClaims: 'honoured',
  fromHeaders: 'honoured',
  fromQuery: 'honoured',
  fromCookies: 'honoured',
  payloadHeader: 'honoured',
  claimHeaders: 'honoured',
  clockSkewMs: 'honoured',
  forward: 'honoured',
  hidesReason: 'honoured',
  allowPreflight: 'honoured',
  allowMissing: 'honoured',
};

/** Fields of `ExternalAuthorizerConfig`. */
const externalAuthorizerFields: FieldTable<ExternalAuthorizerConfig> = {
  name: 'honoured',
  protocol: 'honoured',
  cluster: 'honoured',
  pathPrefix: 'honoured',
  timeoutMs: 'honoured',
  failOpen: 'honoured',
  statusOnError: 'honoured',
  requestHeaders: 'honoured',
  checkHeaders: 'honoured',
  takenHeaders: 'honoured',
  appendedHeaders: 'honoured',
  refusalHeaders: 'honoured',
  responseHeaders: 'honoured',
  maxBodyBytes: 'honoured',
  allowPartialBody: 'honoured',
};

/** Fields of `LocalRateLimitConfig`. */
const inboundRateLimitFields: FieldTable<LocalRateLimitConfig> = {
  maxTokens: 'honoured',
  tokensPerFill: 'honoured',
  fillIntervalMs: 'honoured',
  status: 'honoured',
  responseHeaders: 'honoured',
  perIdentity: 'honoured',
  overrides: 'honoured',
};

const notSlowed = { reason: 'responses of the program are not slowed down' } as const;

/** Fields of `FaultConfig`. */
export const inboundFaultFields: FieldTable<FaultConfig> = {
  delay: 'honoured',
  abort: 'honoured',
  maxActive: 'honoured',
  responseBytesPerSecond: notSlowed,
  responseRateFraction: notSlowed,
  responseRateByHeader: notSlowed,
  headers: 'honoured',
};

/** Fields of `AdmissionConfig`. */
const admissionFields: FieldTable<AdmissionConfig> = {
  maxRequests: 'honoured',
  adaptive: 'honoured',
  maxLoopDelayMs: 'honoured',
  status: 'honoured',
  retryAfterSeconds: 'honoured',
};

/** Fields of `CorsConfig`. */
const corsFields: FieldTable<CorsConfig> = {
  allowOrigins: 'honoured',
  allowMethods: 'honoured',
  allowHeaders: 'honoured',
  exposeHeaders: 'honoured',
  maxAgeMs: 'honoured',
  allowCredentials: 'honoured',
};

/** Fields of `RequestPolicy`, of a route that requests come in by. What Istio says in all of its routes, and means nothing here, is shown. */
export const inboundPolicyFields: FieldTable<RequestPolicy> = {
  timeoutMs: only(0, handler),
  responseTimeoutMs: only(0, handler),
  idleTimeoutMs: only(0, handler),
  maxStreamDurationMs: only(0, handler),
  grpcTimeoutCapMs: only(0, handler),
  // Istio tries again what its proxy could not hand to the program, which is where this is.
  retry: 'shown',
  hedge: { reason: once },
  internalRedirect: { reason: once },
  fault: parts(inboundFaultFields),
  rateLimit: parts(inboundRateLimitFields),
  requestHeaders: 'honoured',
  responseHeaders: 'honoured',
  sessionAffinity: { reason: once },
  priority: only('default', once),
  includeAttemptCount: only(false, once),
  includeAttemptCountInResponse: only(false, once),
  // They are for the attempts of a proxy, of which there are none.
  overrideHeaders: 'shown',
  upgrades: 'honoured',
  cors: parts(corsFields),
  authorization: 'honoured',
  externalAuthorization: { reason: 'asking an authorizer for some routes is not carried out, so that every request is refused' },
};

/** Logs are written; what of a line a server has no value for is shown. */
function reportOperators(logs: readonly AccessLogConfig[], path: string, report: (field: Unhonoured) => void): undefined {
  for (const [index, log] of logs.entries()) {
    const unknown = unknownOperators(log);
    if (unknown.length > 0) report({ path: `${path}[${index}].template`, reason: `"-" is written for ${unknown.join(', ')}` });
  }
  return undefined;
}

/** Fields of `TelemetryConfig`. */
export const inboundTelemetryFields: FieldTable<TelemetryConfig> = {
  traceSampling: sdk,
  traceLimits: sdk,
  traceTags: sdk,
  accessLogs: reportOperators,
  metrics: { reason: 'names and labels of the metrics are those that they have by default' },
  peerMetadata: 'honoured',
};

const routeFields: FieldTable<RouteConfig> = {
  name: 'honoured',
  match: parts(matchFields),
  action: reportAction,
  policy: parts(inboundPolicyFields),
  operation: { reason: 'the name of a span is that of the route of the program, where it has one' },
  metadata: 'shown',
};

const virtualHostFields: FieldTable<VirtualHostConfig> = {
  name: 'honoured',
  domains: 'honoured',
  routes: each(routeFields),
  policy: parts(inboundPolicyFields),
  requireTls: 'honoured',
  virtualClusters: 'shown',
  metadata: 'shown',
};

/** Fields of `RouteTableConfig`, of a table in a chain. */
export const inboundTableFields: FieldTable<RouteTableConfig> = {
  name: 'honoured',
  virtualHosts: each(virtualHostFields),
  policy: parts(inboundPolicyFields),
  ignorePortInHost: 'honoured',
  mostSpecificHeadersWin: 'honoured',
  metadata: 'shown',
};

/** Fields of `FilterChainConfig`. */
export const filterChainFields: FieldTable<FilterChainConfig> = {
  name: 'honoured',
  match: 'honoured',
  isFallback: 'honoured',
  tls: parts(inboundTlsFields),
  protocol(protocol) {
    if (protocol === 'tls') return 'TLS is ended here or not taken: connections of the chain are closed';
    return protocol === 'detect' || protocol === 'opaque' ? undefined : 'every version of HTTP is taken';
  },
  pathNormalization: 'honoured',
  forwardClientCertificate: ({ fields }) =>
    fields.includes('chain') ? '`Chain` is left out: Node shows no certificates that a client sent beside its own' : undefined,
  trustedHops: 'honoured',
  serverHeader: 'honoured',
  policy: parts(inboundPolicyFields),
  telemetry: parts(inboundTelemetryFields),
  jwt: each(jwtProviderFields),
  jwtRules: 'honoured',
  authorization: 'honoured',
  connectionAuthorization: 'honoured',
  externalAuthorizers: each(externalAuthorizerFields),
  rateLimit: parts(inboundRateLimitFields),
  fault: parts(inboundFaultFields),
  admission: parts(admissionFields),
  trustedPeers: 'honoured',
  forwardHeaders: 'honoured',
  loadReport: 'honoured',
  routes: (routes, path, report) => (typeof routes === 'string' ? undefined : parts(inboundTableFields)(routes, path, report)),
};

/** Fields of `InboundListenerConfig`. */
export const inboundListenerFields: FieldTable<InboundListenerConfig> = {
  direction: 'honoured',
  name: 'honoured',
  address: { reason: 'it holds for its port, whichever address a connection came in at' },
  detectTimeoutMs: 'honoured',
  port: 'honoured',
  mode: 'honoured',
  filterChains: reportChains,
  plaintextPaths: 'honoured',
  limits: parts(inboundLimitsFields),
  proxyProtocol: 'honoured',
};

/** The chains of a listener are alike in most: what was said of one is not said again of the next. */
function reportChains(chains: readonly FilterChainConfig[], path: string, report: (field: Unhonoured) => void): undefined {
  const told = new Set<string>();
  for (const [index, chain] of chains.entries()) {
    const at = `${path}[${index}]`;
    reportFields(chain, filterChainFields, at, (field) => {
      const key = `${field.path.slice(at.length)}\n${field.reason}`;
      if (told.has(key)) return;
      told.add(key);
      report(field);
    });
  }
}

/** Where a request goes is settled: to the program. */
function reportAction(action: RouteAction, path: string, report: (field: Unhonoured) => void): string | undefined {
  if (action.kind === 'forward') {
    if ((action.mirror ?? []).length > 0) report({ path: `${path}.mirror`, reason: 'nothing is copied on the way in' });
    if (action.to.length > 1) report({ path: `${path}.to`, reason: 'every request goes to the program' });
  }
  return action.kind === 'forward-by-header' ? 'every request goes to the program' : unservedAction(action);
}
