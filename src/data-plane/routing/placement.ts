import type { Random } from '../../base/runtime.ts';
import type { HashPolicy, SessionAffinity } from '../../model/policy.ts';
import type { HostWish } from '../cluster/pick-host.ts';
import type { ResponseHeaders } from './edit-request.ts';
import { requestHasherOf, type RequestHash } from './request-hash.ts';
import type { RequestView } from './request-view.ts';
import { sessionOf, type Session } from './session-affinity.ts';

/** Where the policies of a route want a request to go, and what the caller has to know to send the next one there. */
export class Placement implements HostWish {
  readonly hash: RequestHash | undefined;
  private readonly session: Session | undefined;

  constructor(hash: RequestHash | undefined, session: Session | undefined) {
    this.hash = hash;
    this.session = session;
  }

  get sessionAddress(): string | undefined {
    return this.session?.address;
  }

  get isStrict(): boolean {
    return this.session?.isStrict === true;
  }

  /** The headers of the response of the endpoint at `address` with the cookies for the caller; the same object when there are none. */
  edit(headers: ResponseHeaders, address: string, wallNowMs: number): ResponseHeaders {
    const cookies = this.hash?.setCookies ?? [];
    const header = this.session?.headerFor(address, wallNowMs);
    if (header === undefined && cookies.length === 0) return headers;
    const edited = { ...headers };
    for (const cookie of cookies) addCookie(edited, cookie);
    if (header !== undefined) {
      const [name, value] = header;
      if (name === 'set-cookie') addCookie(edited, value);
      else edited[name] = value;
    }
    return edited;
  }
}

/**
 * What the hash policies and the session affinity of a route make of a request; undefined when they say nothing. The hash is that of
 * the request as it is sent, the session that of the request as the caller wrote it, as in Envoy.
 */
export function placementOf(
  policies: { readonly hash: readonly HashPolicy[] | undefined; readonly session: SessionAffinity | undefined },
  request: RequestView,
  sent: RequestView,
  random: Random,
  wallNowMs: number,
): Placement | undefined {
  const hash = policies.hash === undefined ? undefined : requestHasherOf(policies.hash)(sent, random);
  const session = policies.session === undefined ? undefined : sessionOf(policies.session, request, wallNowMs);
  return hash === undefined && session === undefined ? undefined : new Placement(hash, session);
}

function addCookie(headers: ResponseHeaders, cookie: string): void {
  const there = headers['set-cookie'];
  headers['set-cookie'] = there === undefined ? cookie : [...(typeof there === 'string' ? [there] : there), cookie];
}
