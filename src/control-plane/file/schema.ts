/**
 * The one schema of `mesh.yaml`: the type, the check, the defaults, `schema/mesh.schema.json` and docs/reference/configuration.md all
 * come from it. A key is described once, where it is declared; what several keys must agree on is in `check-services.ts`.
 */
import * as v from 'valibot';
import { safeConnectTimeoutMs, safeIdleTimeoutMs, safeLoadBalancing, safeTimeoutMs } from '../safe-defaults.ts';
import {
  destination,
  headerMutation,
  hostRewrite,
  mirror,
  pathRewrite,
  redirect,
  respond,
  rewrite,
  substitution,
} from './schema-actions.ts';
import { circuitAnswer, circuitBreaker, circuitFallback } from './schema-circuit-breaker.ts';
import { endpoint, metadata } from './schema-endpoints.ts';
import { abort, delay, fault, rateLimit } from './schema-faults.ts';
import { healthCheck, healthChecks } from './schema-health-checks.ts';
import { hedge } from './schema-hedge.ts';
import {
  admission,
  cors,
  externalAuthorizer,
  inboundFault,
  inboundLimits,
  inboundRateLimit,
  proxyProtocol,
} from './schema-inbound-load.ts';
import { accessRule, condition, operation, source } from './schema-inbound-rules.ts';
import { jwt, tokenProvider } from './schema-inbound-tokens.ts';
import { accessLog, inbound, pathNormalization } from './schema-inbound.ts';
import { adaptive, limits, throttle } from './schema-limits.ts';
import { loadBalancing } from './schema-load-balancing.ts';
import { defaultLocalities, localities } from './schema-localities.ts';
import { pathMatch, routeMatch, stringMatch } from './schema-matches.ts';
import {
  cusum,
  enforcing,
  failurePercentage,
  outlierDetection,
  outlierDetectionOrNone,
  successRate,
  successRateAverage,
} from './schema-outlier-detection.ts';
import { connectTimeoutMs, idleTimeoutMs, protocol, timeoutMs, tls } from './schema-policies.ts';
import { commonRequestPolicies, requestPolicies } from './schema-requests.ts';
import { retry } from './schema-retry.ts';
import { route } from './schema-routes.ts';
import { hashPolicy, sessionAffinity } from './schema-sessions.ts';
import { slowStart } from './schema-slow-start.ts';
import { dictionary, domain, filePath, hostAndPort, list, mapping, oneOf, oneOrList, port } from './schema-values.ts';

const { timeoutMs: requestTimeoutMs, retry: requestRetry, ...otherRequestPolicies } = requestPolicies;

/** `services.<name>`. */
const service = v.pipe(
  mapping({
    endpoints: v.pipe(
      v.exactOptional(list(v.union([hostAndPort(), endpoint], 'host:port, or a mapping with `address`'))),
      v.description(
        'The instances, as `host:port` or written out. Either this or `dns`; neither where all `routes` lead to other services.',
      ),
    ),
    dns: v.pipe(
      v.exactOptional(hostAndPort()),
      v.description('A name whose addresses are the endpoints: `host:port`, or `host` for the SRV records of the name.'),
    ),
    port: v.pipe(
      v.exactOptional(port()),
      v.description('Port of the endpoints that name none, and of `dns` without one (which is then not asked for SRV records).'),
    ),
    hosts: v.pipe(
      v.exactOptional(list(domain())),
      v.description(
        'Further hosts of URLs that mean this service, beside its name: `orders.example.org`, `orders:8080`, `*.example.org`. One without a port means every port.',
      ),
    ),
    subsets: v.pipe(
      v.exactOptional(dictionary(metadata)),
      v.description(
        'Named sets of the endpoints: those whose `metadata` has all these values. A route sends to one with `subset`.',
      ),
    ),
    routes: v.pipe(
      v.exactOptional(list(route)),
      v.description('Rules in order, the first that matches wins. Default: one that takes every request to all endpoints.'),
    ),
    loadBalancing: v.exactOptional(loadBalancing),
    localities: v.exactOptional(localities),
    slowStart: v.exactOptional(slowStart),
    healthChecks: v.exactOptional(healthChecks),
    timeoutMs: requestTimeoutMs,
    retry: requestRetry,
    connectTimeoutMs: v.exactOptional(connectTimeoutMs),
    idleTimeoutMs: v.exactOptional(idleTimeoutMs),
    protocol: v.exactOptional(protocol),
    circuitBreaker: v.exactOptional(circuitBreaker),
    outlierDetection: v.exactOptional(outlierDetectionOrNone),
    limits: v.exactOptional(limits),
    tls: v.exactOptional(tls),
    ...otherRequestPolicies,
  }),
  v.metadata({ not: { required: ['endpoints', 'dns'] } }),
  v.description('One service. Its name is the host of the URL: `http://orders/…` is served by `services.orders`, on any port.'),
);

/** `defaults`. */
const defaults = v.pipe(
  mapping({
    loadBalancing: v.optional(loadBalancing, { ...safeLoadBalancing }),
    localities: v.optional(defaultLocalities, {}),
    slowStart: v.exactOptional(slowStart),
    healthChecks: v.exactOptional(healthChecks),
    timeoutMs: v.optional(timeoutMs, safeTimeoutMs),
    connectTimeoutMs: v.optional(connectTimeoutMs, safeConnectTimeoutMs),
    idleTimeoutMs: v.optional(idleTimeoutMs, safeIdleTimeoutMs),
    protocol: v.optional(protocol, 'auto'),
    retry: v.optional(retry, {}),
    circuitBreaker: v.exactOptional(circuitBreaker),
    outlierDetection: v.optional(outlierDetectionOrNone, {}),
    limits: v.optional(limits, {}),
    tls: v.exactOptional(tls),
    ...commonRequestPolicies,
  }),
  v.description(
    'Policies of every service that does not set the key itself, and, `tls` and `healthChecks` excepted, of unknown hosts. A key that a service sets replaces the one here as a whole.',
  ),
);

/** `identity`. */
const identity = v.pipe(
  mapping({
    certificate: v.pipe(v.exactOptional(filePath()), v.description('Our certificate chain, leaf first.')),
    privateKey: v.pipe(v.exactOptional(filePath()), v.description('Its private key.')),
    trustBundle: v.pipe(
      v.exactOptional(filePath()),
      v.description('Roots that the certificates of endpoints must end in. Default: the roots of the system.'),
    ),
  }),
  v.minEntries(1, 'at least one of certificate, privateKey, trustBundle'),
  v.forward(
    v.check(
      ({ certificate, privateKey }) => certificate !== undefined || privateKey === undefined,
      '`privateKey` needs the `certificate` that belongs to it',
    ),
    ['privateKey'],
  ),
  v.forward(
    v.check(
      ({ certificate, privateKey }) => privateKey !== undefined || certificate === undefined,
      '`certificate` needs its `privateKey`',
    ),
    ['certificate'],
  ),
  v.description(
    'PEM files of this process, read again when they change. Relative paths start at the folder of this file. Alone it changes nothing on the wire: a service asks for it with `tls`.',
  ),
);

/** The whole file. */
export const meshFile = v.pipe(
  mapping({
    services: v.pipe(v.optional(dictionary(service), {}), v.description('Services by name.')),
    defaults: v.optional(defaults, {}),
    unknownHosts: v.exactOptional(
      v.pipe(
        oneOf(['dns', 'refuse']),
        v.description(
          'What happens to a host that is no service: `dns` resolves it and applies `defaults`, so that a program keeps working when it is put on the mesh; `refuse` fails the request. Without it the next file decides, and `dns` is what holds when nobody says anything.',
        ),
      ),
    ),
    inbound: v.pipe(
      v.exactOptional(oneOrList(inbound)),
      v.description(
        'What this process accepts and from whom; a list for several ports. Without it this file says nothing about that; what it said before of a port holds until it speaks of that port again.',
      ),
    ),
    identity: v.exactOptional(identity),
  }),
  v.description('Configuration of a mesh: `mesh.yaml`, or the object given to `createMesh`.'),
);

/** Schemas with a name of their own in the JSON Schema and a section of their own on the reference page, in its order. */
export const namedSchemas: Readonly<Record<string, v.GenericSchema>> = {
  service,
  endpoint,
  route,
  routeMatch,
  pathMatch,
  stringMatch,
  destination,
  redirect,
  respond,
  rewrite,
  pathRewrite,
  hostRewrite,
  substitution,
  mirror,
  headerMutation,
  loadBalancing,
  hashPolicy,
  sessionAffinity,
  retry,
  hedge,
  fault,
  delay,
  abort,
  rateLimit,
  limits,
  adaptive,
  throttle,
  localities,
  defaultLocalities,
  slowStart,
  healthCheck,
  circuitBreaker,
  circuitFallback,
  circuitAnswer,
  outlierDetection,
  cusum,
  successRate,
  failurePercentage,
  successRateAverage,
  enforcing,
  tls,
  defaults,
  inbound,
  accessRule,
  source,
  operation,
  condition,
  jwt,
  tokenProvider,
  externalAuthorizer,
  inboundRateLimit,
  admission,
  inboundFault,
  cors,
  pathNormalization,
  inboundLimits,
  proxyProtocol,
  accessLog,
  identity,
} as const;

type DeepReadonly<T> = T extends readonly (infer I)[]
  ? readonly DeepReadonly<I>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** What may be written: `mesh.yaml`, or the same as an object. */
export type MeshFileInput = DeepReadonly<v.InferInput<typeof meshFile>>;
/** A checked file with all defaults filled in. */
export type MeshFile = DeepReadonly<v.InferOutput<typeof meshFile>>;
/** One service, as checked. */
export type ServiceFile = MeshFile['services'][string];
/** An endpoint that is written out, as checked. */
export type EndpointFile = Exclude<NonNullable<ServiceFile['endpoints']>[number], string>;
/** One route of a service, as checked. */
export type RouteFile = NonNullable<ServiceFile['routes']>[number];
/** The policies of services that do not set their own. What the file does not say has the safe default. */
export type DefaultsFile = MeshFile['defaults'];
/** A retry policy with nothing left open. */
export type RetryFile = DefaultsFile['retry'];
/** How a service is encrypted and whom its certificate must name. */
export type TlsFile = NonNullable<ServiceFile['tls']>;
/** The paths of our own PEM files, as written: relative ones start at the folder of the file. */
export type IdentityFile = NonNullable<MeshFile['identity']>;
/** What a port accepts and from whom, as checked. */
export type InboundFile = Exclude<NonNullable<MeshFile['inbound']>, readonly unknown[]>;
/** One rule of `inbound.authorization`, as checked. */
export type AccessRuleFile = NonNullable<InboundFile['authorization']>[number];
