import { headersForOrigin, headersWithout } from './lean-headers.ts';
import type { LeanExchange } from './lean-exchange.ts';
import type { LeanRequest } from './lean-request.ts';
import { hasBadPort, leanUrlFrom } from './lean-url.ts';

/** Headers that say who asks on behalf of whom in a mesh: Envoy’s and Linkerd’s. They are nobody’s business at another origin. */
export const identityHeaders: readonly string[] = ['x-forwarded-client-cert', 'l5d-client-id'];

/** Dropped when a redirect leads to another origin. Source: Fetch standard, HTTP-redirect fetch, step 13; the identity headers are ours. */
const originHeaders = new Set(['authorization', 'proxy-authorization', 'cookie', ...identityHeaders]);

/** Dropped together with the body. Source: Fetch standard, "request-body-header name". */
const bodyHeaders = new Set(['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length']);

/** Source: Fetch standard, HTTP-redirect fetch, step 7. */
const redirectsMax = 20;

/** The request that the Location of a redirect asks for. Throws fetch’s error when it must not be followed. */
export function redirected({ request, status, headers: received }: LeanExchange): LeanRequest {
  const url = locationUrl(received.location, request);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw failed('URL scheme must be a HTTP(S) scheme');
  if (request.redirects === redirectsMax) throw failed('redirect count exceeded');
  if (url.username !== '' || url.password !== '') throw failed('cross origin not allowed for request mode "cors"');

  const { origin, path } = leanUrlFrom(url);
  let { method, body, headers } = request;
  if (((status === 301 || status === 302) && method === 'POST') || (status === 303 && method !== 'GET' && method !== 'HEAD')) {
    method = 'GET';
    body = null;
    headers = headersWithout(headers, bodyHeaders);
  }
  const leaves = origin !== request.origin;
  if (leaves) headers = headersForOrigin(headersWithout(headers, originHeaders), origin);
  if (hasBadPort(url)) throw failed('bad port');
  return {
    ...request,
    method,
    origin,
    path,
    headers,
    body,
    redirects: request.redirects + 1,
    crossOrigin: request.crossOrigin || leaves,
    misdirected: false,
  };
}

function locationUrl(received: unknown, request: LeanRequest): URL {
  const location = Array.isArray(received) ? received.join(', ') : String(received);
  // The header came as bytes in Latin-1 clothes; what is not ASCII is read as UTF-8.
  const text = /^[\x20-\x7e]*$/.test(location) ? location : Buffer.from(location, 'latin1').toString('utf8');
  try {
    return new URL(text, request.origin + request.path);
  } catch (error) {
    throw failed(error);
  }
}

function failed(reason: unknown): TypeError {
  return new TypeError('fetch failed', { cause: reason instanceof Error ? reason : new Error(String(reason)) });
}
