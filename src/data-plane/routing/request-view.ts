import { stringify } from 'node:querystring';
import type { Dispatcher } from 'undici';
import type { Metadata } from '../../model/tls.ts';
import { joinedRequestHeaders } from './joined-headers.ts';
import { queryParameter } from './query-parameter.ts';

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
export type HeaderValue = string | number | readonly string[];

/** The path without its query and fragment. */
export function pathOnly(path: string): string {
  const query = path.indexOf('?');
  const only = query === -1 ? path : path.slice(0, query);
  const fragment = only.indexOf('#');
  return fragment === -1 ? only : only.slice(0, fragment);
}

/**
 * The values of a header in their order: undefined = none, a string = the only one. Undici takes headers as an object, a flat array,
 * an iterable of pairs or null, with names in any case. Some headers have only one (joined-headers.ts). Names that begin with `:` are the parts of the request line; `host` is
 * `:authority`.
 */
export function headerValuesOf(request: RequestView, name: string): string | readonly string[] | undefined {
  if (name.charCodeAt(0) === 58) return pseudoHeader(request, name);
  const values = listedValues(request.headers, name);
  return values === undefined && name === 'host' ? request.authority : values;
}

function listedValues(headers: RequestView['headers'], name: string): string | readonly string[] | undefined {
  if (headers === null || headers === undefined) return undefined;
  let found: string | string[] | undefined;
  const take = (value: HeaderValue | undefined): void => {
    if (value === undefined || value === null) return;
    if (!Array.isArray(value)) found = found === undefined ? String(value) : [...listOf(found), String(value)];
    else if (value.length > 0) found = [...listOf(found), ...(value as readonly string[])];
  };
  if (Array.isArray(headers)) {
    for (let index = 0; index + 1 < headers.length; index += 2) {
      if (isNamed(String(headers[index]), name)) take(headers[index + 1]);
    }
  } else if (Symbol.iterator in headers) {
    for (const [key, value] of headers as Iterable<[string, HeaderValue]>) if (isNamed(key, name)) take(value);
  } else {
    for (const key of Object.keys(headers)) if (isNamed(key, name)) take(headers[key]);
  }
  return typeof found === 'object' && joinedRequestHeaders.has(name) ? found.filter((value) => value !== '').join(',') : found;
}

function isNamed(key: string, name: string): boolean {
  return key.length === name.length && (key === name || key.toLowerCase() === name);
}

function listOf(values: string | string[] | undefined): readonly string[] {
  return values === undefined ? [] : typeof values === 'string' ? [values] : values;
}

function pseudoHeader(request: RequestView, name: string): string | readonly string[] | undefined {
  if (name === ':path') return request.path;
  if (name === ':method') return request.method;
  if (name === ':scheme') return schemeOf(request);
  return name === ':authority' ? headerValuesOf(request, 'host') : undefined;
}

/** All values of a header joined by `,`, or undefined. */
export function headerOf(request: RequestView, name: string): string | undefined {
  const values = headerValuesOf(request, name);
  return values === undefined || typeof values === 'string' ? values : values.join(',');
}

/** First value of a header, or undefined. */
export function firstHeaderOf(request: RequestView, name: string): string | undefined {
  const values = headerValuesOf(request, name);
  return values === undefined || typeof values === 'string' ? values : values[0];
}

/** The host that the request asks for, with its port where that is not the default. */
export function authorityOf(request: RequestView): string {
  return firstHeaderOf(request, 'host') ?? '';
}

/** The scheme as a proxy in front would be told: `x-forwarded-proto` where the request has it, as in Envoy. */
export function schemeOf(request: RequestView): string {
  const forwarded = firstHeaderOf(request, 'x-forwarded-proto');
  return forwarded === 'https' || forwarded === 'http' ? forwarded : (request.scheme ?? 'http');
}

/**
 * First value of a query parameter as it is written, or undefined; a parameter without `=` has the value `''`. Nothing is decoded, as
 * in Envoy.
 */
export function queryOf(request: RequestView, name: string): string | undefined {
  return queryParameter(request.path, name);
}

/** First value of a request cookie, without the quotes around it, or undefined. */
export function cookieOf(request: RequestView, name: string): string | undefined {
  const headers = headerValuesOf(request, 'cookie');
  if (headers === undefined) return undefined;
  for (const header of typeof headers === 'string' ? [headers] : headers) {
    for (const pair of header.split(';')) {
      const separator = pair.indexOf('=');
      if (separator === -1 || pair.slice(0, separator).replace(/^ +/, '') !== name) continue;
      const value = pair.slice(separator + 1);
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
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

/** The options with undici's `query` in their path, where routing, rewrites and telemetry look for it. */
export function withQueryInPath<O extends { readonly path: string; readonly query?: Dispatcher.DispatchOptions['query'] }>(
  options: O,
): O {
  const { path, query } = options;
  // A path that has a query or fragment already is undici's to refuse.
  if (query === undefined || query === null || /[?#]/.test(path)) return options;
  const text = stringify(query);
  return { ...options, path: text === '' ? path : `${path}?${text}`, query: undefined };
}
