/** What a hashing balancer hashes, in order; a terminal policy ends the list once it gave a hash. */
export type HashPolicy =
  | {
      readonly kind: 'header';
      readonly name: string;
      readonly regexRewrite?: { readonly regex: string; readonly substitution: string };
      readonly terminal?: boolean;
    }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      readonly path?: string;
      /** Absent = a missing cookie is not made; 0 = a session cookie is made (Envoy). */
      readonly ttlMs?: number;
      readonly terminal?: boolean;
    }
  | { readonly kind: 'query'; readonly name: string; readonly terminal?: boolean }
  | { readonly kind: 'source-ip' | 'channel'; readonly terminal?: boolean };

/** Bounds of a session. Source: Gateway API `sessionPersistence`, Envoy `stateful_session`. */
export interface SessionBounds {
  /** A request whose endpoint is gone fails instead of moving (Envoy `strict`). */
  readonly strict?: boolean;
  readonly absoluteTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
}

/** Keeps a client on one endpoint. */
export type SessionAffinity = SessionBounds &
  (
    | { readonly kind: 'cookie'; readonly name: string; readonly path?: string; readonly ttlMs?: number }
    | { readonly kind: 'header'; readonly name: string }
  );
