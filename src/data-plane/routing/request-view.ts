import type { Dispatcher } from 'undici';
import type { Metadata } from '../../model/tls.ts';

/** What routing reads of a request. Header look-ups are made only when a route asks for one. */
export interface RequestView {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers?: Dispatcher.DispatchOptions['headers'];
  /** `http` or `https`. */
  readonly scheme?: string;
  /** As in the Host header: without the default port. A `host` among the headers comes before it. */
  readonly authority?: string;
  /** What earlier steps noted, by namespace. */
  readonly metadata?: Metadata;
}

/** What undici takes as the value of a header. */
type HeaderValue = string | number | readonly string[];

/** The path without its query. */
export function pathOnly(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}

/**
 * All values of a header joined by `,` (gRFC A41), or undefined. Undici takes headers as an object, a flat array, an iterable of
 * pairs or null, with names in any case.
 */
export function headerOf(request: RequestView, name: string): string | undefined {
  const { headers } = request;
  if (headers === null || headers === undefined) return undefined;
  let found: string | undefined;
  const take = (value: HeaderValue | undefined): void => {
    if (value === undefined) return;
    const text = Array.isArray(value) ? value.join(',') : String(value);
    found = found === undefined ? text : `${found},${text}`;
  };
  if (Array.isArray(headers)) {
    for (let index = 0; index + 1 < headers.length; index += 2) {
      if (String(headers[index]).toLowerCase() === name) take(headers[index + 1]);
    }
  } else if (Symbol.iterator in headers) {
    for (const [key, value] of headers as Iterable<[string, HeaderValue]>) if (key.toLowerCase() === name) take(value);
  } else {
    for (const key of Object.keys(headers)) if (key.length === name.length && key.toLowerCase() === name) take(headers[key]);
  }
  return found;
}

/** First value of a query parameter, decoded, or undefined. */
export function queryOf(request: RequestView, name: string): string | undefined {
  const start = request.path.indexOf('?');
  if (start === -1) return undefined;
  return new URLSearchParams(request.path.slice(start + 1)).get(name) ?? undefined;
}

/** Value of a request cookie, or undefined. */
export function cookieOf(request: RequestView, name: string): string | undefined {
  const cookies = headerOf(request, 'cookie');
  if (cookies === undefined) return undefined;
  for (const pair of cookies.split(/[;,]/)) {
    const separator = pair.indexOf('=');
    if (separator !== -1 && pair.slice(0, separator).trim() === name)
      return pair
        .slice(separator + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

/**
 * The options with headers that can be read any number of times: an iterator gives its pairs once, and routing, each attempt and
 * telemetry read them.
 */
export function withKeptHeaders<O extends Pick<RequestView, 'headers'>>(options: O): O {
  const { headers } = options;
  if (headers === null || headers === undefined || Array.isArray(headers) || !(Symbol.iterator in headers)) return options;
  const iterable = headers as Iterable<[string, string | string[] | undefined]>;
  if ((iterable as object) !== iterable[Symbol.iterator]()) return options;
  return { ...options, headers: new Set(iterable) };
}
