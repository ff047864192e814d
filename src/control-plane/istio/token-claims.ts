/** Who a projected service account token is for. */
export interface TokenClaims {
  readonly namespace?: string;
  readonly serviceAccount?: string;
  readonly podName?: string;
  readonly nodeName?: string;
  readonly audiences: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresMs?: number;
}

/**
 * Reads the claims of a token without verifying it: istiod does that, and here they are only asked who we are. Undefined for what is
 * no JWT. Source: Kubernetes, "Bound service account tokens".
 */
export function readTokenClaims(token: string): TokenClaims | undefined {
  const payload = token.trim().split('.')[1];
  if (payload === undefined) return undefined;
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  } catch {
    return undefined;
  }
  const subject = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(text(at(claims, 'sub')) ?? '');
  const kubernetes = at(claims, 'kubernetes.io');
  const audience = at(claims, 'aud');
  const expires = at(claims, 'exp');
  const found = {
    namespace: text(at(kubernetes, 'namespace')) ?? subject?.[1],
    serviceAccount: text(at(at(kubernetes, 'serviceaccount'), 'name')) ?? subject?.[2],
    podName: text(at(at(kubernetes, 'pod'), 'name')),
    nodeName: text(at(at(kubernetes, 'node'), 'name')),
    audiences: (Array.isArray(audience) ? audience : [audience]).filter((one): one is string => typeof one === 'string'),
    expiresMs: typeof expires === 'number' ? expires * 1000 : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, one]) => one !== undefined)) as unknown as TokenClaims;
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
