/**
 * What holds for the connections to one port: the policy of the configuration, and what the program said when it opened the port. The
 * stricter of the two modes counts.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../base/runtime.ts';
import type { InboundDoorOptions } from '../../model/inbound.ts';
import type { InboundListenerConfig } from '../../model/listener.ts';
import { chooseChain } from './choose-chain.ts';
import { compileChain, type CompiledChain } from './compile-chain.ts';
import type { KnownConnection } from './connection-of.ts';
import type { CompiledListener, InboundConfig } from './inbound-config.ts';
import type { InboundParts } from './inbound-parts.ts';
import { pathSpellings, type PathSpellings } from './path-spelling.ts';
import * as refusals from './connection-refusals.ts';
import type { ConnectionRefusal } from './connection-refusals.ts';

/** How strict a port is. */
export type InboundMode = InboundListenerConfig['mode'];

/** What a port is opened with. */
export interface InboundPortOptions extends InboundDoorOptions {
  /** Path that the mesh answers by itself: whether this process takes requests. */
  readonly readyPath?: string | undefined;
  /** Paths served in plaintext under any mode, to GET and HEAD, without authorization; beside those of the policy. */
  readonly plaintextPaths?: readonly string[] | undefined;
}

/** What the requests of one connection meet, until another configuration is in force. */
export interface PolicyInForce extends PathSpellings {
  readonly port: InboundPort;
  readonly generation: number;
  readonly listener: CompiledListener | undefined;
  readonly chain: CompiledChain;
  /** Whether what the peer says of others is believed. */
  readonly isTrusted: boolean;
  /** Set = no request of the connection is served, but for {@link plaintextPaths}; and why the connection is closed. */
  readonly refused: ConnectionRefusal | undefined;
  /** Paths that this connection gets without authorization. */
  readonly plaintextPaths: ReadonlySet<string> | undefined;
}

const strictness = { disabled: 0, permissive: 1, strict: 2 } as const;

/** The stricter of two modes. */
function stricterMode(one: InboundMode, other: InboundMode): InboundMode {
  return strictness[one] >= strictness[other] ? one : other;
}

/** What holds for a port now. */
export interface PortPolicy {
  /** Undefined = no source has one: what the program said holds alone. */
  readonly listener: CompiledListener | undefined;
  readonly mode: InboundMode;
  readonly chains: readonly CompiledChain[];
  readonly plaintextPaths: ReadonlySet<string>;
  /** Set = nothing is served. */
  readonly refused: ConnectionRefusal | undefined;
}

/** A port that is open. */
export class InboundPort {
  /** Port of the app whose policy holds. */
  readonly number: number;
  readonly readyPath: string | undefined;
  /** Whether {@link readyPath} says that requests are taken. */
  isReady = true;
  /** Requests whose response is not over. */
  inFlight = 0;
  /** Counts the connections that are open; undefined where the server is somebody else's. */
  countConnections: (() => number) | undefined = undefined;
  private drain: AbortController | undefined = undefined;
  private readonly clock: Clock;
  private readonly config: InboundConfig;
  private readonly options: InboundPortOptions;
  /** What holds where no policy does, and for paths that are served whoever asks. */
  private readonly open: CompiledChain;
  private known: PortPolicy | undefined = undefined;
  private knownGeneration = 0;

  constructor(number: number, options: InboundPortOptions, config: InboundConfig, parts: InboundParts) {
    this.number = number;
    this.options = options;
    this.readyPath = options.readyPath;
    this.clock = parts.clock;
    this.config = config;
    const place = { source: '', version: '', listener: '', index: 0, table: undefined };
    this.open = compileChain({ name: 'default', match: {}, authorization: [] }, place, parts);
  }

  /** From now on it says that it takes no requests. */
  startDraining(): void {
    this.isReady = false;
    this.drain?.abort();
  }

  /** Aborts when it begins to drain, or the mesh is closed. */
  get draining(): AbortSignal {
    if (this.drain === undefined) {
      this.drain = new AbortController();
      // Each stream that is open may listen.
      setMaxListeners(0, this.drain.signal);
      if (!this.isReady || this.config.isShut) this.drain.abort();
      else
        this.config.onChange(() => {
          if (this.config.isShut) this.startDraining();
        });
    }
    return this.drain.signal;
  }

  /** Of the configuration that is in force. */
  get generation(): number {
    return this.config.generation;
  }

  /** What holds now. The same object until the configuration changes. */
  policy(): PortPolicy {
    if (this.known === undefined || this.knownGeneration !== this.config.generation) {
      this.knownGeneration = this.config.generation;
      this.known = this.find();
    }
    return this.known;
  }

  /** What the requests of a connection meet. */
  policyOf(known: KnownConnection): PolicyInForce {
    const { policy } = known;
    const isInForce = policy !== undefined && policy.port === this && policy.generation === this.config.generation;
    const found = isInForce ? policy : (known.policy = this.look(known));
    if (known.notAfterMs === Number.POSITIVE_INFINITY || this.clock.wallNow() <= known.notAfterMs) return found;
    return { ...found, isTrusted: false, refused: refusals.expired };
  }

  /**
   * Whether the program wants more of this port than of another, that a request came in by: another policy, a stricter mode, another
   * spelling of paths among what is refused. What it does not say of this one is as it was there.
   */
  asksMoreThan({ port: other, refusingSpelling }: PolicyInForce): boolean {
    if (other === this) return false;
    const { port, mode, policyMissing: missing, ignorePathCase, ignoreTrailingSlash } = this.options;
    return (
      (port !== undefined && port !== other.number) ||
      (mode === 'strict' && other.policy().mode !== 'strict') ||
      (missing === 'deny' && other.options.policyMissing !== 'deny' && other.policy().listener === undefined) ||
      (ignorePathCase === true && !refusingSpelling.ignoresCase) ||
      (ignoreTrailingSlash === true && !refusingSpelling.ignoresSlash)
    );
  }

  private find(): PortPolicy {
    // Ports of its own the mesh drains.
    if (this.config.isShut && this.countConnections === undefined)
      return {
        listener: undefined,
        mode: 'permissive',
        chains: [this.open],
        plaintextPaths: new Set(),
        refused: refusals.meshClosed,
      };
    const found = this.config.chainsOf(this.number);
    const { mode: asked, policyMissing: said, plaintextPaths = [] } = this.options;
    if (typeof found === 'string') {
      const missing = said ?? (this.config.isGuarded ? 'deny' : 'allow');
      const refused = found === 'awaited' ? refusals.policyAwaited : missing === 'deny' ? refusals.policyMissing : undefined;
      const paths = new Set(refused === undefined ? plaintextPaths : []);
      return { listener: undefined, mode: asked ?? 'permissive', chains: [this.open], plaintextPaths: paths, refused };
    }
    const { config, chains } = found;
    return {
      listener: found,
      mode: asked === undefined ? config.mode : stricterMode(asked, config.mode),
      chains,
      plaintextPaths: new Set([...plaintextPaths, ...(config.plaintextPaths ?? [])]),
      refused: undefined,
    };
  }

  private look(known: KnownConnection): PolicyInForce {
    const policy = this.policy();
    const { isTls, identity } = known.connection;
    const chain = policy.refused === undefined ? chooseChain(policy.chains, known.facts) : undefined;
    return {
      port: this,
      generation: this.config.generation,
      ...pathSpellings((chain ?? this.open).config.pathNormalization, this.options),
      listener: policy.listener,
      chain: chain ?? this.open,
      isTrusted: identity !== undefined && chain?.trusts?.(identity) === true,
      refused: policy.refused ?? this.refusedBy(policy.mode, chain, known),
      plaintextPaths: isTls || policy.plaintextPaths.size === 0 ? undefined : policy.plaintextPaths,
    };
  }

  /** Without authorization, for paths that are served whoever asks. */
  get openChain(): CompiledChain {
    return this.open;
  }

  /** Why a connection is not wanted; undefined = its requests are looked at one by one. */
  private refusedBy(
    mode: InboundMode,
    chain: CompiledChain | undefined,
    { connection }: KnownConnection,
  ): ConnectionRefusal | undefined {
    const { isTls, identity } = connection;
    if (connection.isUnreadable === true) return refusals.unreadable;
    if (mode === 'strict' && !isTls) return refusals.plaintext;
    if (mode === 'strict' && identity === undefined) return refusals.noCertificate;
    if (chain === undefined) return refusals.noChain;
    const { config, peers, connectionAuthorizer } = chain;
    // Of an opaque connection the program makes HTTP, as it would behind a proxy of its bytes: the policy of the connection holds.
    if (config.protocol === 'tls') return refusals.tlsNotEnded;
    if (isTls && config.tls?.requireClientCertificate === true && identity === undefined) return refusals.noCertificate;
    if (isTls && identity !== undefined && peers?.(identity) === false) return refusals.wrongPeer;
    const verdict = connectionAuthorizer?.check(connection, this.number);
    if (verdict?.kind !== 'denied') return undefined;
    const { details } = verdict;
    return {
      reason: 'denied',
      requestReason: 'denied',
      answer: refusals.deniedConnection(details),
    };
  }
}
