import { rootsOf } from '../../security/identity-material.ts';
import type { IssuedChain } from './ca-client.ts';

/**
 * What is odd about a certificate that a CA has issued, in words; undefined = nothing. Nothing is refused for it: peers may have the
 * right root although we were told another, and the CA decides who we are. But such a certificate may be taken by nobody.
 */
export function issuedDoubt(
  { certificateChain, root }: IssuedChain,
  spiffeId: string | undefined,
  asked: string,
): string | undefined {
  const last = rootsOf(certificateChain).at(-1);
  const leads = rootsOf(root).some(
    (one) =>
      last !== undefined && (one.fingerprint256 === last.fingerprint256 || (last.checkIssued(one) && last.verify(one.publicKey))),
  );
  const doubts = [
    ...(leads ? [] : ['its chain does not lead to the root that the CA has sent with it']),
    ...(spiffeId === asked ? [] : [`it is for ${spiffeId ?? 'no SPIFFE ID'}, and ${asked} was asked for`]),
  ];
  return doubts.length === 0 ? undefined : doubts.join('; ');
}
