/**
 * The hash by which ring-hash and maglev place a request, from the hash policies of its route. As in Envoy's `hash_policy.cc`, and
 * measured at Envoy 1.40 where its text leaves room:
 *
 *   header   its value; several values are sorted, and the hash of each is the seed of the next, so that their order does not count
 *   cookie   its value; one that is missing or empty is made where the policy has a TTL, and the response tells the caller to keep it
 *   query    the first value of the parameter as it is written, nothing decoded; without `=` it is empty, which has a hash too
 *   source-ip, channel   the same for all requests of this process: it is the client
 *
 * What several policies give is combined: rotated by a bit, then exclusive or. A terminal policy is the last one asked, once there is
 * a hash. The request is the one that is sent, with its edits.
 */
import type { Random } from '../../base/runtime.ts';
import type { Hash64 } from '../../model/contracts.ts';
import type { HashPolicy } from '../../model/affinity.ts';
import { hashText, noSeed } from '../load-balancing/hash-text.ts';
import type { Word64 } from '../load-balancing/word64.ts';
import { ownAddress } from './own-address.ts';
import { cookieOf, headerValuesOf, queryOf, type RequestView } from './request-view.ts';
import { setCookieOf } from './set-cookie.ts';
import { compileSubstitution } from './substitution.ts';

/** The hash of a request, and the cookies that were made for it: values of `Set-Cookie`. */
export interface RequestHash extends Hash64 {
  readonly setCookies: readonly string[];
}

/** Compiled hash policies: the hash of a request; undefined when no policy gives one, and the host is left to chance. */
export type RequestHasher = (request: RequestView, random: Random) => RequestHash | undefined;

/** One policy: what it hashes of a request; undefined = it gives no hash. */
interface Step {
  readonly isTerminal: boolean;
  valueOf(request: RequestView, random: Random, setCookies: (cookie: string) => void): string | readonly string[] | undefined;
}

const compiled = new WeakMap<readonly HashPolicy[], RequestHasher>();
const noCookies: readonly string[] = [];
/** Scratch of one call. */
const one: Word64 = { high: 0, low: 0 };

/** The hasher of a list of policies; compiled once for each list. */
export function requestHasherOf(policies: readonly HashPolicy[]): RequestHasher {
  let hasher = compiled.get(policies);
  if (hasher === undefined) compiled.set(policies, (hasher = createRequestHasher(policies)));
  return hasher;
}

function createRequestHasher(policies: readonly HashPolicy[]): RequestHasher {
  const steps = policies.map((policy): Step => ({ isTerminal: policy.terminal === true, valueOf: valueOf(policy) }));
  return (request, random) => {
    let high = 0;
    let low = 0;
    let isHashed = false;
    let setCookies: string[] | undefined = undefined;
    for (const step of steps) {
      const value = step.valueOf(request, random, (cookie) => (setCookies ??= []).push(cookie));
      if (value !== undefined) {
        hashValues(value);
        const carried = high >>> 31;
        high = (((high << 1) | (low >>> 31)) ^ one.high) >>> 0;
        low = (((low << 1) | carried) ^ one.low) >>> 0;
        isHashed = true;
      }
      if (step.isTerminal && isHashed) break;
    }
    return isHashed ? { high, low, setCookies: setCookies ?? noCookies } : undefined;
  };
}

function hashValues(values: string | readonly string[]): void {
  if (typeof values === 'string') {
    hashText(values, noSeed, one);
    return;
  }
  one.high = 0;
  one.low = 0;
  // Code units of one byte each sort as the bytes do.
  for (const value of values.length > 1 ? values.toSorted(byCodeUnits) : values) hashText(value, one, one);
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function valueOf(policy: HashPolicy): Step['valueOf'] {
  switch (policy.kind) {
    case 'header':
      return headerValue(policy);
    case 'cookie':
      return cookieValue(policy);
    case 'query':
      return (request) => queryOf(request, policy.name);
    case 'source-ip':
      return ownAddress;
    default:
      return (_request, random) => (channelId ??= randomId(random));
  }
}

function headerValue({ name, regexRewrite }: HashPolicy & { readonly kind: 'header' }): Step['valueOf'] {
  const lowerCase = name.toLowerCase();
  if (regexRewrite === undefined) return (request) => headerValuesOf(request, lowerCase);
  const rewrite = compileSubstitution(regexRewrite.regex, regexRewrite.substitution);
  return (request) => {
    const values = headerValuesOf(request, lowerCase);
    return values === undefined || typeof values === 'string' ? values && rewrite(values) : values.map(rewrite);
  };
}

function cookieValue({ name, path, ttlMs }: HashPolicy & { readonly kind: 'cookie' }): Step['valueOf'] {
  return (request, random, setCookie) => {
    const sent = cookieOf(request, name);
    if (sent !== undefined && sent !== '') return sent;
    if (ttlMs === undefined) return undefined;
    const value = randomId(random);
    setCookie(setCookieOf(name, { value, maxAgeSeconds: Math.floor(ttlMs / 1000), path }));
    return value;
  };
}

/** Of this process; drawn by the first request that needs it. Source: gRFC A42 `io.grpc.channel_id`. */
let channelId: string | undefined;

/** 64 bits in hexadecimal digits. */
function randomId(random: Random): string {
  return [random(), random()]
    .map((part) =>
      Math.floor(part * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    )
    .join('');
}
