import type { AuthorizationPolicyConfig, JwtProviderConfig } from './authorization.ts';
import type { FaultConfig, LocalRateLimitConfig } from './policy.ts';
import type { RequestPolicy, RouteTableConfig } from './route.ts';
import type { SanMatcher, SecretRef } from './tls.ts';

/** The way out: which route table serves requests to which port. */
export interface OutboundListenerConfig {
  readonly direction: 'outbound';
  readonly name: string;
  /** Only requests to this port; absent = all ports. A listener of the very port is asked before one of all ports. */
  readonly port?: number;
  /** Name of a route table, or the table itself. */
  readonly routes: string | RouteTableConfig;
  readonly policy?: RequestPolicy;
}

/** One way a connection may come in. The first chain whose conditions hold is used. */
export interface FilterChainConfig {
  readonly name: string;
  readonly match: {
    readonly transport?: 'tls' | 'plaintext';
    readonly alpn?: readonly string[];
    readonly serverNames?: readonly string[];
    readonly sourceCidrs?: readonly string[];
  };
  readonly tls?: {
    readonly identity: SecretRef;
    readonly trust?: SecretRef;
    readonly requireClientCertificate: boolean;
    readonly peers: readonly SanMatcher[];
    readonly alpn: readonly string[];
  };
  readonly jwt?: readonly JwtProviderConfig[];
  /** Evaluated in order: deny, then allow. */
  readonly authorization: readonly AuthorizationPolicyConfig[];
  readonly rateLimit?: LocalRateLimitConfig;
  readonly fault?: FaultConfig;
  readonly routes?: RouteTableConfig;
}

/** The way in: what a port accepts and from whom. */
export interface InboundListenerConfig {
  readonly direction: 'inbound';
  readonly name: string;
  /** Port of the app; absent = every port of this process that has no listener of its own. */
  readonly port?: number;
  readonly mode: 'disabled' | 'permissive' | 'strict';
  readonly filterChains: readonly FilterChainConfig[];
  /** Paths served in plaintext even under `strict`: probes and scrapes. */
  readonly plaintextPaths?: readonly string[];
}

export type ListenerConfig = OutboundListenerConfig | InboundListenerConfig;
