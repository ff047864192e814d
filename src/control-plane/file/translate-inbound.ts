/** `inbound` of the file → listeners of the model: one for each port, with a chain for TLS and one for plaintext. */
import type { ExternalAuthorizerConfig } from '../../model/authorization.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../model/listener.ts';
import type { StringMatcher } from '../../model/match.ts';
import type { CorsConfig, LocalRateLimitConfig, TokenBucketConfig } from '../../model/policy.ts';
import type { RequestPolicy, RouteTableConfig } from '../../model/route.ts';
import type { SanMatcher } from '../../model/tls.ts';
import type { FilePath } from './file-problem.ts';
import type { InboundFile, MeshFile } from './schema.ts';
import { cidrFromText } from './schema-inbound-values.ts';
import { policyFromRule, wildcard } from './translate-inbound-rules.ts';
import { tokensFromFile } from './translate-inbound-tokens.ts';
import { faultFromFile, mutationFromFile, rateLimitFromFile } from './translate-policies.ts';

type File<K extends keyof InboundFile> = NonNullable<InboundFile[K]>;

/** An item of `inbound` and where it stands. */
export interface InboundItem {
  readonly file: InboundFile;
  readonly path: FilePath;
}

/** The items of `inbound`, which may be one mapping or a list. */
export function inboundItems({ inbound }: MeshFile): readonly InboundItem[] {
  if (inbound === undefined) return [];
  if (!Array.isArray(inbound)) return [{ file: inbound as InboundFile, path: ['inbound'] }];
  return (inbound as readonly InboundFile[]).map((file, index) => ({ file, path: ['inbound', index] }));
}

/** The name of the listener for a port. */
export function inboundListenerName({ port }: InboundFile): string {
  return port === undefined ? 'inbound' : `inbound/${port}`;
}

/** Whether there is a certificate to show to those who connect with TLS, and roots to verify theirs with. */
export function hasInboundIdentity({ identity: named }: InboundFile, { identity }: MeshFile): boolean {
  return named !== undefined || (identity?.certificate !== undefined && identity.trustBundle !== undefined);
}

/** The listener that an item asks for; `identityName` is the name that the file's own `identity` has. */
export function listenerFromInbound(file: InboundFile, identityName: string): InboundListenerConfig {
  const { mode, port, plaintextPaths, proxyProtocol } = file;
  const { detectTimeoutMs, ...limits } = file.limits ?? {};
  const name = inboundListenerName(file);
  const shared = chainFromFile(file);
  const chains: FilterChainConfig[] = [];
  if (mode !== 'disabled')
    chains.push({ name: `${name} tls`, match: { transport: 'tls' }, tls: tlsFromFile(file, identityName), ...shared });
  if (mode !== 'strict') chains.push({ name: `${name} plaintext`, match: { transport: 'plaintext' }, ...shared });
  return {
    direction: 'inbound',
    name,
    ...(port !== undefined && { port }),
    mode,
    filterChains: chains,
    ...(detectTimeoutMs !== undefined && { detectTimeoutMs }),
    ...(plaintextPaths !== undefined && { plaintextPaths }),
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(proxyProtocol !== undefined && {
      proxyProtocol: { from: cidrs(proxyProtocol.from), ...(proxyProtocol.required && { isRequired: true }) },
    }),
  };
}

function tlsFromFile(
  { identity: named, clientCertificate, peers = [] }: InboundFile,
  identityName: string,
): NonNullable<FilterChainConfig['tls']> {
  const identity = named ?? identityName;
  return {
    identity,
    trust: identity,
    requireClientCertificate: clientCertificate !== 'optional',
    peers: peers.map(sanMatcher),
    alpn: ['h2', 'http/1.1'],
  };
}

/** What both chains say. */
function chainFromFile(file: InboundFile): Omit<FilterChainConfig, 'name' | 'match'> {
  const { trustedPeers, authorization = [], jwt, externalAuthorizers = {}, forwardHeaders, loadReport, trustedHops } = file;
  const { pathNormalization } = file;
  const authorizers = Object.entries(externalAuthorizers).map(([name, each]) => authorizerFromFile(name, each));
  return {
    // Without it the strict rules hold, as they do beside whatever it changes.
    ...(pathNormalization !== undefined && { pathNormalization: { ...pathNormalization, isStrict: true } }),
    ...(trustedHops !== undefined && { trustedHops }),
    ...(file.cors !== undefined && { routes: routesWith({ cors: corsFromFile(file.cors) }) }),
    ...(jwt !== undefined && tokensFromFile(jwt, file.cors !== undefined)),
    authorization: authorization.map(policyFromRule),
    ...(authorizers.length > 0 && { externalAuthorizers: authorizers }),
    ...(file.rateLimit !== undefined && { rateLimit: inboundRateLimitFromFile(file.rateLimit) }),
    ...(file.fault !== undefined && { fault: faultFromFile(file.fault) }),
    ...(file.admission !== undefined && { admission: file.admission }),
    ...(trustedPeers !== undefined && { trustedPeers: trustedPeers.map(sanMatcher) }),
    ...(forwardHeaders !== undefined && { forwardHeaders: forwardHeaders.map((name) => name.toLowerCase()) }),
    ...(loadReport === true && { loadReport }),
    ...(file.accessLogs !== undefined && { telemetry: { accessLogs: file.accessLogs } }),
  };
}

/** One route for every request: to the program. */
function routesWith(policy: RequestPolicy): RouteTableConfig {
  const name = 'inbound';
  const action = { kind: 'forward', to: [{ cluster: name, weight: 1 }] } as const;
  return { name, virtualHosts: [{ name, domains: ['*'], routes: [{ name, match: {}, action, policy }] }] };
}

/** A name of a peer, tested against its certificate. `*` is refused for these. */
function sanMatcher(pattern: string): SanMatcher {
  const kind = pattern.includes('/') ? ('uri' as const) : ('dns' as const);
  if (pattern.startsWith('*')) return { kind, match: 'suffix', value: pattern.slice(1) };
  if (pattern.endsWith('*')) return { kind, match: 'prefix', value: pattern.slice(0, -1) };
  return { kind, match: 'exact', value: pattern };
}

function cidrs(ranges: readonly string[]): string[] {
  return ranges.map((range) => cidrFromText(range)!);
}

function authorizerFromFile(name: string, file: File<'externalAuthorizers'>[string]): ExternalAuthorizerConfig {
  const { service, checkHeaders, requestHeaders, takenHeaders, appendedHeaders, refusalHeaders, responseHeaders } = file;
  const { protocol, pathPrefix, timeoutMs, failOpen, statusOnError, maxBodyBytes, allowPartialBody } = file;
  const headers = (names: readonly string[]): StringMatcher[] => names.map((each) => wildcard(each.toLowerCase()));
  return {
    name,
    protocol,
    cluster: service,
    ...(pathPrefix !== undefined && { pathPrefix }),
    timeoutMs,
    ...(failOpen && { failOpen }),
    ...(statusOnError !== undefined && { statusOnError }),
    ...(requestHeaders !== undefined && { requestHeaders: headers(requestHeaders) }),
    ...(checkHeaders !== undefined && { checkHeaders: mutationFromFile(checkHeaders) }),
    ...(takenHeaders !== undefined && { takenHeaders: headers(takenHeaders) }),
    ...(appendedHeaders !== undefined && { appendedHeaders: headers(appendedHeaders) }),
    ...(refusalHeaders !== undefined && { refusalHeaders: headers(refusalHeaders) }),
    ...(responseHeaders !== undefined && { responseHeaders: headers(responseHeaders) }),
    ...(maxBodyBytes > 0 && { maxBodyBytes }),
    ...(allowPartialBody !== undefined && { allowPartialBody }),
  };
}

type BucketFile = Pick<File<'rateLimit'>, 'requests' | 'perMs' | 'burst'>;

function bucketFromFile({ requests, perMs, burst = requests }: BucketFile): TokenBucketConfig {
  return { maxTokens: burst, tokensPerFill: requests, fillIntervalMs: perMs };
}

function inboundRateLimitFromFile({ perIdentity, overrides, ...limit }: File<'rateLimit'>): LocalRateLimitConfig {
  return {
    ...rateLimitFromFile(limit),
    ...(perIdentity !== undefined && { perIdentity: bucketFromFile(perIdentity) }),
    ...(overrides !== undefined && {
      overrides: overrides.map(({ identities, ...bucket }) => ({
        identities: identities.map((each) => wildcard(each)),
        bucket: bucketFromFile(bucket),
      })),
    }),
  };
}

function corsFromFile({ allowOrigins, ...cors }: File<'cors'>): CorsConfig {
  return { allowOrigins: allowOrigins.map((each) => wildcard(each)), ...cors };
}
