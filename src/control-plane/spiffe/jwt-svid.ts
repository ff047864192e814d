/** A JWT-SVID: a token for one audience, which prints as `[redacted]`. */
export class JwtSvid {
  readonly spiffeId: string;
  readonly audience: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
  readonly #token: string;

  constructor(token: string, spiffeId: string, audience: readonly string[], expiresAtMs: number) {
    this.#token = token;
    this.spiffeId = spiffeId;
    this.audience = audience;
    this.expiresAtMs = expiresAtMs;
  }

  /** The token, for an `authorization: Bearer` header. */
  reveal(): string {
    return this.#token;
  }
  toString(): string {
    return '[redacted]';
  }
  toJSON(): unknown {
    return { spiffeId: this.spiffeId, audience: this.audience, expiresAtMs: this.expiresAtMs, token: '[redacted]' };
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `JwtSvid ${this.spiffeId} [redacted]`;
  }
}

/** What the claims of a token say about its time, in milliseconds since 1970; undefined where it is no JWT with an `exp`. */
export function lifetimeOf(token: string): { readonly issuedAtMs?: number; readonly expiresAtMs: number } | undefined {
  const claims = claimsOf(token);
  const { exp, iat } = claims ?? {};
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return undefined;
  return { expiresAtMs: exp * 1000, ...(typeof iat === 'number' && Number.isFinite(iat) && { issuedAtMs: iat * 1000 }) };
}

/** The claims of a token, which is not verified here; undefined where it is no JWT. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> | undefined {
  const payload = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(token)?.[1];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims)
      ? (claims as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
