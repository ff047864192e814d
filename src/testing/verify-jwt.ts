/** Whether a token is accepted, decided by the code that requests themselves meet. */
import { usePatternEngine } from '../base/pattern-engine.ts';
import { systemClock, systemRandom, type Clock } from '../base/runtime.ts';
import { createTokenCheck } from '../data-plane/inbound/token-check.ts';
import type { JwtProviderConfig } from '../model/authorization.ts';
import type { InboundRefusal, VerifiedToken } from '../model/inbound.ts';
import { parseCompact } from '../security/jwt/compact-token.ts';
import { inlineKeys, KeySources } from '../security/jwt/key-source.ts';
import { verifySignature } from '../security/jwt/verify-signature.ts';
import { accessRequestOf, connectionOf, inboundRequestOf } from './access-input.ts';

/** What is asked of the token beside a good signature. */
export interface VerifyJwtOptions extends Partial<
  Pick<JwtProviderConfig, 'issuer' | 'audiences' | 'subjects' | 'maxLifetimeMs' | 'clockSkewMs' | 'listClaims'>
> {
  /** Milliseconds since 1970. Default: now. */
  readonly nowMs?: number;
}

/** What becomes of the token. */
export interface VerifyJwtResult {
  readonly isAccepted: boolean;
  /** Whether one of the keys made its signature, whatever its payload is. */
  readonly isSignatureValid: boolean;
  /** The one that was accepted. */
  readonly token?: VerifiedToken;
  /** The answer to a request with this token. */
  readonly refusal?: InboundRefusal;
}

/**
 * The verdict on one token by a set of keys, in JSON or parsed: pure but for the time, which `nowMs` gives.
 *
 * ```js
 * await verifyJwt(token, { keys: [jwk] }, { issuer: 'https://login.example', audiences: ['orders'] });
 * // { isAccepted: false, isSignatureValid: true, refusal: { status: 401, body: 'Jwt is expired', … } }
 * ```
 */
export async function verifyJwt(token: string, jwks: string | object, options: VerifyJwtOptions = {}): Promise<VerifyJwtResult> {
  usePatternEngine();
  const { nowMs, audiences = [], ...rest } = options;
  const document = typeof jwks === 'string' ? jwks : JSON.stringify(jwks);
  const clock: Clock = nowMs === undefined ? systemClock : { ...systemClock, wallNow: () => nowMs };
  const fetchKeys = () => Promise.reject(new Error('keys are not fetched here'));
  const keySources = new KeySources({ clock, random: systemRandom, fetchKeys });
  const fromHeaders = [{ name: 'x-token' }];
  const provider: JwtProviderConfig = { ...rest, name: 'token', audiences, fromHeaders, jwks: { kind: 'inline', document } };
  const check = createTokenCheck([provider], undefined, { clock, keySources });
  const request = inboundRequestOf({ method: 'GET', path: '/', headers: { 'x-token': token } });
  const connection = connectionOf({}, 80);
  const access = accessRequestOf(request, connection, {
    path: '/',
    authority: '',
    remoteAddress: connection.peerAddress,
    tokens: [],
  });
  const isSignatureValid = await isSigned(token, document);
  return new Promise((resolve) => {
    check.check(access, ({ tokens: [accepted], refusal }) => {
      resolve({
        isAccepted: refusal === undefined,
        isSignatureValid,
        ...(accepted !== undefined && { token: accepted }),
        ...(refusal !== undefined && { refusal }),
      });
    });
  });
}

async function isSigned(token: string, document: string): Promise<boolean> {
  const compact = parseCompact(token);
  const keys = inlineKeys(document).current();
  return typeof compact !== 'string' && keys !== undefined && (await verifySignature(compact, keys)) === undefined;
}
