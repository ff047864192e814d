/**
 * A filter chain made ready: every part of its policy compiled, so that a request only asks. What cannot be compiled, or is not carried
 * out and might have kept a request out, makes the chain refuse everything, and says which part it is.
 */
import type { FilterChainConfig } from '../../model/listener.ts';
import type { InboundRefusal, InboundRequest } from '../../model/inbound.ts';
import type { RouteTableConfig } from '../../model/route.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { compileSanMatcher } from '../../security/san-matcher.ts';
import type { PeerIdentity } from '../../security/peer-identity.ts';
import type { Clock, Random } from '../../base/runtime.ts';
import { compileAuthorizer, type AccessListener, type Authorizer } from './authorizer.ts';
import { compileChainMatch, type ChainTest } from './choose-chain.ts';
import { compileConnectionAuthorizer, type ConnectionAuthorizer } from './connection-authorizer.ts';
import type { InboundConnection } from './inbound-connection.ts';
import { compilePathNormalizer, type PathNormalizer } from './normalize-path.ts';
import { refusal } from './refusal.ts';

/** What the parts of a chain are made with. */
export interface ChainContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
}

/** Where a chain stands: what its parts keep across updates is found by it. */
export interface ChainPlace {
  readonly source: string;
  readonly listener: string;
  /** A table that the chain names; undefined = it names none, or the table is not there. */
  readonly table: RouteTableConfig | undefined;
}

/** Says whether a peer is one of these. */
export type PeerTest = (identity: PeerIdentity) => boolean;

/** A chain as requests meet it. Parts that are off are undefined and cost nothing. */
export interface CompiledChain {
  readonly config: FilterChainConfig;
  readonly place: ChainPlace;
  readonly accepts: ChainTest;
  /** Set = every request is answered so: a part of the policy cannot be carried out. */
  readonly refused: InboundRefusal | undefined;
  readonly normalize: PathNormalizer;
  /** Peers that its TLS takes; undefined = all whose certificate is good. */
  readonly peers: PeerTest | undefined;
  readonly trusts: PeerTest | undefined;
  readonly connectionAuthorizer: ConnectionAuthorizer | undefined;
  readonly authorizer: Authorizer | undefined;
  remoteAddress(request: InboundRequest, connection: InboundConnection): string;
}

/** Parts of a chain that can keep a request out and that nothing here carries out. */
const withoutEffect = ['jwt', 'jwtRules', 'externalAuthorizers', 'rateLimit', 'fault', 'admission'] as const;

/** Compiles a chain. Never throws. `before` is what stood in the same place: what its parts have counted goes on. */
export function compileChain(
  config: FilterChainConfig,
  place: ChainPlace,
  context: ChainContext,
  before: CompiledChain | undefined,
): CompiledChain {
  try {
    return compiled(config, place, context, before);
  } catch (error) {
    const open: FilterChainConfig = { name: config.name, match: {}, authorization: [] };
    return { ...compiled(open, place, context, before), config, refused: notCarriedOut((error as Error).message) };
  }
}

function compiled(
  config: FilterChainConfig,
  place: ChainPlace,
  context: ChainContext,
  _before: CompiledChain | undefined,
): CompiledChain {
  const missing = withoutEffect.find((part) => config[part] !== undefined);
  return {
    config,
    place,
    accepts: compileChainMatch(config.match),
    refused: missing === undefined ? undefined : notCarriedOut(missing),
    normalize: compilePathNormalizer(config.pathNormalization),
    peers: config.tls === undefined || config.tls.peers.length === 0 ? undefined : anyOf(config.tls.peers),
    trusts: config.trustedPeers === undefined ? undefined : anyOf(config.trustedPeers),
    connectionAuthorizer: config.connectionAuthorization && compileConnectionAuthorizer(config.connectionAuthorization),
    authorizer: config.authorization.length === 0 ? undefined : compileAuthorizer(config.authorization, shadowListener(context)),
    remoteAddress: (_request, connection) => connection.peerAddress,
  };
}

function anyOf(matchers: NonNullable<FilterChainConfig['trustedPeers']>): PeerTest {
  const tests = matchers.map(compileSanMatcher);
  return (identity) => tests.some((test) => test(identity));
}

function shadowListener(_context: ChainContext): AccessListener | undefined {
  return undefined;
}

function notCarriedOut(part: string): InboundRefusal {
  return refusal(503, 'the policy of this port cannot be carried out', { details: `inbound_policy_failed{${part}}` });
}
