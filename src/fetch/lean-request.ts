import { types } from 'node:util';
import { isPlainObject, leanHeaders } from './lean-headers.ts';
import { type LeanUrl, leanUrl } from './lean-url.ts';

/** A request that the lean path can serve, checked and in the form of the wire. */
export interface LeanRequest {
  readonly method: string;
  readonly origin: string;
  readonly path: string;
  /** Flat list of names and values. */
  readonly headers: string[];
  /** Replayable; a Buffer is a private copy. Cleared once the response is the caller's, who may keep that for long. */
  body: string | Buffer | null;
  readonly signal: AbortSignal | undefined;
  readonly redirect: 'follow' | 'manual' | 'error';
  /** Redirects followed so far. */
  readonly redirects: number;
  /** Whether a redirect has led to another origin, be it that a later one led back. */
  readonly crossOrigin: boolean;
  /** Whether this repeats a request that was answered 421 Misdirected Request. */
  readonly misdirected: boolean;
}

/** Methods that fetch takes as they are or in capitals. Others, `patch` among them, have rules of their own. */
const methods = new Map(
  ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'get', 'head', 'post', 'put', 'delete', 'options'].map(
    (method) => [method, method.toUpperCase()] as const,
  ),
);

/** undici’s `setGlobalOrigin`: with it set, fetch resolves relative URLs and sends a Referer. */
const globalOrigin = Symbol.for('undici.globalOrigin.1');

const keys = new Set(['method', 'headers', 'body', 'signal', 'redirect']);

/**
 * The request that `fetch(input, init)` asks for, if it is of the common kind; undefined if anything about it is unusual or wrong,
 * so that Node’s fetch answers with its own behaviour and its own errors. Nothing has been sent by then.
 */
export function leanRequest(input: unknown, init: unknown): LeanRequest | undefined {
  const href = typeof input === 'string' ? input : hrefOf(input);
  if (href === undefined || (globalThis as Record<symbol, unknown>)[globalOrigin] !== undefined) return undefined;
  const url = leanUrl(href);
  if (url === undefined) return undefined;
  if (init === undefined || init === null) {
    const headers = leanHeaders(undefined, false, url.origin)!;
    return firstRequest('GET', url, headers, null, undefined, 'follow');
  }
  if (!isPlainObject(init)) return undefined;
  for (const key in init) if (!keys.has(key)) return undefined;

  const method = init.method === undefined ? 'GET' : methods.get(init.method as string);
  if (method === undefined) return undefined;

  const body = leanBodyFrom(init.body);
  if (body === undefined || (body !== null && (method === 'GET' || method === 'HEAD'))) return undefined;

  const { redirect = 'follow', signal } = init;
  if (redirect !== 'follow' && redirect !== 'manual' && redirect !== 'error') return undefined;
  if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal)) return undefined;

  const headers = leanHeaders(init.headers, typeof body === 'string', url.origin);
  if (headers === undefined) return undefined;
  return firstRequest(method, url, headers, body, signal ?? undefined, redirect);
}

/** One literal, so that all requests have one hidden class. */
function firstRequest(
  method: string,
  { origin, path }: LeanUrl,
  headers: string[],
  body: LeanRequest['body'],
  signal: LeanRequest['signal'],
  redirect: LeanRequest['redirect'],
): LeanRequest {
  return { method, origin, path, headers, body, signal, redirect, redirects: 0, crossOrigin: false, misdirected: false };
}

/** The URL of a URL object that is nothing more than that. */
function hrefOf(input: unknown): string | undefined {
  return input instanceof URL && Object.getPrototypeOf(input) === URL.prototype ? input.href : undefined;
}

/** null for none, undefined for a body that Node’s fetch must serialise. Bytes are copied, as fetch does: the caller may reuse them. */
function leanBodyFrom(body: unknown): string | Buffer | null | undefined {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string') return body;
  if (!types.isUint8Array(body) || !(body.buffer instanceof ArrayBuffer)) return undefined;
  return body.buffer.resizable || body.buffer.detached ? undefined : Buffer.from(body);
}
