import type { JwtProviderConfig } from '../../model/authorization.ts';
import type { VerifiedToken } from '../../model/inbound.ts';
import { own } from './compact-token.ts';
import type { TokenClaims } from './token-claims.ts';

/** The token as handlers and rules see it. It is frozen as a whole, since the requests of one caller share it. */
export function verifiedTokenFrom(
  { name, listClaims = [] }: Pick<JwtProviderConfig, 'name' | 'listClaims'>,
  { payload, issuer, subject, audiences }: TokenClaims,
): VerifiedToken {
  const lists = listClaims.flatMap((claim) => {
    const value = own(payload, claim);
    return typeof value === 'string' ? [[claim, value.split(' ').filter((word) => word !== '')] as const] : [];
  });
  return deepFreeze({
    provider: name,
    ...(issuer !== undefined && { issuer }),
    ...(subject !== undefined && { subject }),
    audiences,
    claims: payload,
    ...(lists.length > 0 && { ruleClaims: { ...payload, ...Object.fromEntries(lists) } }),
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
