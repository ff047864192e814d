/**
 * Keeps a client on one endpoint: a cookie or a header that the caller sends again names it. Source: Envoy `stateful_session`, whose
 * cookies and headers are taken and given here; gRFC A55 and A60; bounds as in the Gateway API's `sessionPersistence`.
 *
 * The caller keeps the session: this mesh is a client, and has no cookie jar. The endpoint is named by its address, and only an
 * endpoint of the request's cluster and subset is ever picked, whatever a cookie says.
 */
import type { SessionAffinity } from '../../model/affinity.ts';
import { cookieOf, firstHeaderOf, type RequestView } from './request-view.ts';
import { decodeBase64, decodeToken, encodeToken, type SessionToken } from './session-token.ts';
import { setCookieOf } from './set-cookie.ts';

/** A header for the caller's response: `set-cookie` is added, any other replaces what is there. */
export type SessionHeader = readonly [name: string, value: string];

/** The session of one request. */
export interface Session {
  /** Address of the endpoint that the session is on; undefined = it begins with this request. */
  readonly address: string | undefined;
  readonly isStrict: boolean;
  /** What tells the caller where the session is now; undefined when the caller knows already. */
  headerFor(address: string, wallNowMs: number): SessionHeader | undefined;
}

/** The session of a request; undefined when its path is not the cookie's. */
export function sessionOf(affinity: SessionAffinity, request: RequestView, wallNowMs: number): Session | undefined {
  if (affinity.kind === 'cookie' && !isInPath(affinity.path, request.path)) return undefined;
  const token = tokenOf(affinity, request);
  const nowSeconds = Math.floor(wallNowMs / 1000);
  return new TokenSession(affinity, token !== undefined && isLive(token, nowSeconds) ? token : undefined);
}

class TokenSession implements Session {
  private readonly affinity: SessionAffinity;
  private readonly token: SessionToken | undefined;

  constructor(affinity: SessionAffinity, token: SessionToken | undefined) {
    this.affinity = affinity;
    this.token = token;
  }

  get address(): string | undefined {
    return this.token?.address;
  }

  get isStrict(): boolean {
    return this.affinity.strict === true;
  }

  headerFor(address: string, wallNowMs: number): SessionHeader | undefined {
    const { affinity, token } = this;
    const isThere = token?.address === address;
    const idleMs = affinity.idleTimeoutMs ?? 0;
    if (isThere && idleMs === 0) return undefined;
    const expiresSeconds = isThere ? token.expiresSeconds : secondsAfter(wallNowMs, lifetimeOf(affinity));
    const next = { address, expiresSeconds, idleUntilSeconds: secondsAfter(wallNowMs, idleMs) };
    if (affinity.kind === 'header') {
      const value = isBounded(affinity) ? encodeToken(next) : Buffer.from(address, 'utf8').toString('base64');
      return [affinity.name.toLowerCase(), value];
    }
    const maxAgeSeconds = isThere || idleMs > 0 ? ageOf(next, wallNowMs) : Math.floor(lifetimeOf(affinity) / 1000);
    return ['set-cookie', setCookieOf(affinity.name, { value: encodeToken(next), maxAgeSeconds, path: affinity.path })];
  }
}

function tokenOf(affinity: SessionAffinity, request: RequestView): SessionToken | undefined {
  if (affinity.kind === 'cookie') {
    const cookie = cookieOf(request, affinity.name);
    return cookie === undefined ? undefined : decodeToken(cookie);
  }
  const value = firstHeaderOf(request, affinity.name.toLowerCase());
  if (value === undefined) return undefined;
  if (isBounded(affinity)) return decodeToken(value);
  const address = decodeBase64(value)?.toString('utf8') ?? '';
  return address === '' ? undefined : { address, expiresSeconds: 0, idleUntilSeconds: 0 };
}

/** Envoy's headers have no bounds; those that have are written as cookies are. */
function isBounded({ absoluteTimeoutMs, idleTimeoutMs }: SessionAffinity): boolean {
  return absoluteTimeoutMs !== undefined || idleTimeoutMs !== undefined;
}

function isLive({ expiresSeconds, idleUntilSeconds }: SessionToken, nowSeconds: number): boolean {
  return (expiresSeconds === 0 || nowSeconds <= expiresSeconds) && (idleUntilSeconds === 0 || nowSeconds <= idleUntilSeconds);
}

/** How long a session lasts at most; 0 = as long as the caller keeps it. */
function lifetimeOf(affinity: SessionAffinity): number {
  const ttlMs = affinity.kind === 'cookie' ? (affinity.ttlMs ?? 0) : 0;
  const absoluteMs = affinity.absoluteTimeoutMs ?? 0;
  return ttlMs === 0 || absoluteMs === 0 ? Math.max(ttlMs, absoluteMs) : Math.min(ttlMs, absoluteMs);
}

function secondsAfter(wallNowMs: number, delayMs: number): number {
  return delayMs === 0 ? 0 : Math.floor((wallNowMs + delayMs) / 1000);
}

/** How long the caller should keep a cookie: to the nearer of both ends. */
function ageOf({ expiresSeconds, idleUntilSeconds }: SessionToken, wallNowMs: number): number {
  const ends = [expiresSeconds, idleUntilSeconds].filter((end) => end > 0);
  return ends.length === 0 ? 0 : Math.max(1, Math.min(...ends) - Math.floor(wallNowMs / 1000));
}

/** Whether a request path is the cookie's path or below it. Source: Envoy `CookieBasedSessionStateFactory`. */
function isInPath(cookiePath: string | undefined, path: string): boolean {
  if (cookiePath === undefined || cookiePath === '' || cookiePath === '/') return true;
  if (!path.startsWith(cookiePath)) return false;
  const next = path[cookiePath.length];
  return cookiePath.endsWith('/') || next === undefined || next === '/' || next === '?' || next === '#';
}
