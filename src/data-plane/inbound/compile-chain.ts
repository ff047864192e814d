/**
 * A filter chain made ready: every part of its policy compiled, so that a request only asks. What cannot be compiled, or is not carried
 * out and might have kept a request out, makes the chain refuse everything, and says which part it is.
 */
import type { FilterChainConfig } from '../../model/listener.ts';
import type { InboundRefusal } from '../../model/inbound.ts';
import type { FaultConfig, LocalRateLimitConfig } from '../../model/policy.ts';
import type { RouteTableConfig } from '../../model/route.ts';
import { compileSanMatcher } from '../../security/san-matcher.ts';
import type { PeerIdentity } from '../../security/peer-identity.ts';
import { compileAccessLog, type AccessLog } from '../../telemetry/access-log.ts';
import { InboundAdmission } from './admission.ts';
import { compileAuthorizer, type Authorizer } from './authorizer.ts';
import { compileHandedOn, type HandedOn } from './caller-context.ts';
import { compileChainMatch, type ChainMatch } from './choose-chain.ts';
import { compileConnectionAuthorizer, type ConnectionAuthorizer } from './connection-authorizer.ts';
import { createExternalAuthorizer, type ExternalAuthorizer } from './external-authorization/external-authorizer.ts';
import { compileHeaderGuard, type HeaderGuard } from './header-guard.ts';
import type { InboundParts } from './inbound-parts.ts';
import type { InboundRateLimit } from './inbound-rate-limit.ts';
import { compileInboundRoutes, type InboundRoutes } from './inbound-routes.ts';
import { compilePathNormalizer, type PathNormalizer } from './normalize-path.ts';
import { compilePeerExchange, type PeerExchange } from './peer-exchange.ts';
import { refusal } from './refusal.ts';
import { compileRemoteAddress, type RemoteAddress } from './remote-address.ts';
import { askOnBehalfOf } from './run-in-context.ts';
import { reportShadow } from './report-shadow.ts';
import { reportUnanswered } from './report-unanswered.ts';
import { tableOfChain } from './table-of-chain.ts';
import { createTokenCheck, type TokenCheck } from './token-check.ts';

/** Where a chain stands: what its parts keep across updates is found by it. */
export interface ChainPlace {
  readonly source: string;
  readonly version: string;
  readonly listener: string;
  /** Among the chains of the listener. */
  readonly index: number;
  /** The table that the chain names; undefined = it names none, or the table is not there. */
  readonly table: RouteTableConfig | undefined;
}

/** Says whether a peer is one of these. */
export type PeerTest = (identity: PeerIdentity) => boolean;

/** A chain as requests meet it. Parts that are off are undefined and cost nothing. */
export interface CompiledChain {
  readonly config: FilterChainConfig;
  readonly place: ChainPlace;
  /** Which connections it is for. */
  readonly match: ChainMatch;
  /** Set = every request is answered so: a part of the policy is not there, or cannot be carried out. */
  readonly refused: InboundRefusal | undefined;
  readonly normalize: PathNormalizer;
  /** Hears from the peer which workload it is. */
  readonly peerExchange: PeerExchange | undefined;
  /** Undefined = none is asked for. */
  readonly accessLogs: readonly AccessLog[] | undefined;
  readonly guard: HeaderGuard;
  readonly remoteAddress: RemoteAddress;
  readonly handedOn: HandedOn;
  /** Peers that its TLS takes; undefined = all whose certificate is good. */
  readonly peers: PeerTest | undefined;
  readonly trusts: PeerTest | undefined;
  readonly connectionAuthorizer: ConnectionAuthorizer | undefined;
  readonly admission: InboundAdmission | undefined;
  readonly tokens: TokenCheck | undefined;
  readonly authorizer: Authorizer | undefined;
  /** By name. */
  readonly externalAuthorizers: ReadonlyMap<string, ExternalAuthorizer>;
  readonly rateLimit: InboundRateLimit | undefined;
  readonly fault: FaultConfig | undefined;
  readonly routes: InboundRoutes | undefined;
  /** Protocols that a request may upgrade to, unless its route says it; undefined = any. */
  readonly upgrades: readonly string[] | undefined;
  /** The limit of a route. */
  limitOf(config: LocalRateLimitConfig): InboundRateLimit;
}

/** Compiles a chain. Never throws. */
export function compileChain(config: FilterChainConfig, place: ChainPlace, parts: InboundParts): CompiledChain {
  try {
    return compiled(config, place, parts);
  } catch (error) {
    const bare: FilterChainConfig = { name: config.name, match: {}, authorization: [] };
    return { ...compiled(bare, place, parts), config, refused: notCarriedOut((error as Error).message) };
  }
}

function compiled(config: FilterChainConfig, place: ChainPlace, parts: InboundParts): CompiledChain {
  const { source, listener, index, version } = place;
  const { clock, random } = parts;
  const table = typeof config.routes === 'string' ? place.table : config.routes;
  const at = `${source}\n${listener}\n${index}\n${config.name}`;
  const limits = new Map<LocalRateLimitConfig, InboundRateLimit>();
  const limitOf = (limit: LocalRateLimitConfig): InboundRateLimit => {
    let known = limits.get(limit);
    if (known === undefined)
      limits.set(limit, (known = parts.rateLimits.limitAt(`${at}\n${placeOf(limit, config, table)}`, limit)));
    return known;
  };
  const {
    tls,
    trustedPeers,
    authorization,
    connectionAuthorization,
    jwt,
    jwtRules,
    admission,
    telemetry,
    externalAuthorizers = [],
  } = config;
  const routed = tableOfChain(config, table);
  const ownNames = (): readonly string[] => (tls === undefined ? [] : parts.ownNames(tls.identity));
  return {
    config,
    place,
    match: compileChainMatch(config.match),
    refused: refusedPart(config, table),
    normalize: compilePathNormalizer(config.pathNormalization),
    accessLogs: telemetry?.accessLogs?.map((log) => compileAccessLog(log, clock)),
    peerExchange: compilePeerExchange(config, table, parts.workloads, ownNames),
    guard: compileHeaderGuard(config, tls && ownNames),
    remoteAddress: compileRemoteAddress(config.trustedHops),
    handedOn: compileHandedOn(config, () => parts.propagated()),
    peers: tls === undefined || tls.peers.length === 0 ? undefined : anyOf(tls.peers),
    trusts: trustedPeers === undefined ? undefined : anyOf(trustedPeers),
    connectionAuthorizer: connectionAuthorization && compileConnectionAuthorizer(connectionAuthorization),
    admission: admission && new InboundAdmission(admission, parts.loads.of(source, listener), parts.loopDelay, random),
    tokens:
      jwt === undefined && jwtRules === undefined
        ? undefined
        : createTokenCheck(jwt ?? [], jwtRules, { clock, keySources: parts.keysOf(source) }),
    authorizer: authorization.length === 0 ? undefined : compileAuthorizer(authorization, reportShadow),
    externalAuthorizers: new Map(
      externalAuthorizers.map((each) => [
        each.name,
        createExternalAuthorizer(each, {
          clock,
          dispatcher: parts.toCluster(source, each.cluster),
          onUnanswered: (reason, wentOn, request) => reportUnanswered(each.name, reason, wentOn, request),
          onBehalfOf: askOnBehalfOf,
        }),
      ]),
    ),
    rateLimit: config.rateLimit && limitOf(config.rateLimit),
    fault: config.fault,
    routes:
      routed &&
      compileInboundRoutes(routed, config.policy, {
        source,
        version,
        clock,
        random,
        compileAuthorizer: (policies) => compileAuthorizer(policies, reportShadow),
      }),
    upgrades: config.policy?.upgrades,
    limitOf,
  };
}

/** Why nothing of the chain is served. */
function refusedPart({ routes, policy }: FilterChainConfig, table: RouteTableConfig | undefined): InboundRefusal | undefined {
  if (typeof routes === 'string' && table === undefined)
    return refusal(503, 'this port takes no requests yet', { details: 'inbound_routes_missing', flag: 'NR' });
  const policies = [
    policy,
    table?.policy,
    ...(table?.virtualHosts ?? []).flatMap((host) => [host.policy, ...host.routes.map((route) => route.policy)]),
  ];
  return policies.some((each) => each?.externalAuthorization !== undefined)
    ? notCarriedOut('routes.policy.externalAuthorization')
    : undefined;
}

/** Where in the chain a limit is written. */
function placeOf(limit: LocalRateLimitConfig, { policy: own }: FilterChainConfig, table: RouteTableConfig | undefined): string {
  if (own?.rateLimit === limit) return 'policy';
  if (table === undefined) return '';
  if (table.policy?.rateLimit === limit) return 'table';
  for (const host of table.virtualHosts) {
    if (host.policy?.rateLimit === limit) return `host ${host.name}`;
    const position = host.routes.findIndex(({ policy }) => policy?.rateLimit === limit);
    if (position !== -1) return `host ${host.name} ${position} ${host.routes[position]!.name}`;
  }
  return '';
}

function anyOf(matchers: NonNullable<FilterChainConfig['trustedPeers']>): PeerTest {
  const tests = matchers.map(compileSanMatcher);
  return (identity) => tests.some((test) => test(identity));
}

function notCarriedOut(part: string): InboundRefusal {
  return refusal(503, 'the policy of this port cannot be carried out', { details: `inbound_policy_failed{${part}}` });
}
