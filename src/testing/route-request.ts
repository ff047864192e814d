/** The request of a policy test, in whichever of its forms it was written. */
import { hostAndPortOf } from '../data-plane/inbound/host-name.ts';
import type { EditableRequest } from '../data-plane/routing/edit-request.ts';
import { joinedRequestHeaders } from '../data-plane/routing/joined-headers.ts';
import type { Metadata } from '../model/tls.ts';

/** Headers by name, or as pairs in their order: `{ accept: "text/html" }`, `[["accept", "text/html"]]`, a `Headers` object. */
export type HeadersInput =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>;

/** A request to find the route of. `url` says where it goes, or `host` and `path` do. */
export interface RouteRequest {
  /** Default `GET`. */
  readonly method?: string;
  /** `http://orders:8080/api?x=1`. Without the default port, as a client sends the host. */
  readonly url?: string | URL;
  /** As in the Host header: `orders` or `orders:8080`. */
  readonly host?: string;
  /** Another name for `host`. */
  readonly authority?: string;
  /** With its query. Default `/`. */
  readonly path?: string;
  /** Default `http`. */
  readonly scheme?: 'http' | 'https';
  readonly headers?: HeadersInput;
  /** What earlier steps noted about the request, by namespace: for `dynamic_metadata` matchers. */
  readonly metadata?: Metadata;
  /** Comes from inside the mesh (`x-envoy-internal`): for `require_tls: EXTERNAL_ONLY`. */
  readonly internal?: boolean;
  /** Headers of the response that comes back, to see how they are changed. */
  readonly responseHeaders?: HeadersInput;
}

/** What routing reads of a request, and where its virtual host is looked up. */
export interface ReadRequest {
  readonly view: EditableRequest;
  /** Lower case, without the port. */
  readonly host: string;
  readonly port: number;
  /** Names in the case in which they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Reads a request. Throws a TypeError for one that says not where it goes. */
export function readRequest(request: RouteRequest): ReadRequest {
  if (typeof request !== 'object' || request === null)
    throw new TypeError('the request is an object: { method, url } or { method, host, path }');
  const url = request.url === undefined ? undefined : parsedUrl(request.url);
  const headers = headerPairs(request.headers);
  const hostHeader = headers.find(([name]) => name.toLowerCase() === 'host')?.[1];
  const authority = request.host ?? request.authority ?? hostHeader ?? url?.host;
  if (authority === undefined) throw new TypeError('the request has neither a url nor a host');
  const scheme = request.scheme ?? (url?.protocol === 'https:' || url?.protocol === 'wss:' ? 'https' : 'http');
  const sent = joined(headers.filter(([name]) => name.toLowerCase() !== 'host'));
  if (request.internal === true) sent.push(['x-envoy-internal', 'true']);
  const { host, port } = hostAndPortOf(authority.toLowerCase(), scheme);
  const path = request.path ?? (url === undefined ? '/' : url.pathname + url.search);
  const method = request.method ?? 'GET';
  const view: EditableRequest = {
    method,
    path,
    scheme,
    authority,
    headers: sent.flat(),
    ...(request.metadata !== undefined && { metadata: request.metadata }),
  };
  return { view, host, port, headers: sent };
}

/** Of some headers a request has only one: their values are one list, as Envoy sends them on. */
function joined(headers: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  const result: (readonly [string, string])[] = [];
  const places = new Map<string, number>();
  for (const [name, value] of headers) {
    const place = joinedRequestHeaders.has(name.toLowerCase()) ? places.get(name.toLowerCase()) : undefined;
    if (place === undefined) places.set(name.toLowerCase(), result.push([name, value]) - 1);
    else result[place] = [result[place]![0], [result[place]![1], value].filter((each) => each !== '').join(',')];
  }
  return result;
}

/** Headers in any form as pairs. Throws a TypeError for what is none. */
export function headerPairs(headers: HeadersInput | undefined): readonly (readonly [string, string])[] {
  if (headers === undefined || headers === null) return [];
  if (typeof headers !== 'object') throw new TypeError('headers are an object or a list of pairs');
  const entries: readonly unknown[] = Symbol.iterator in headers ? [...(headers as Iterable<unknown>)] : Object.entries(headers);
  return entries.flatMap((entry): (readonly [string, string])[] => {
    if (!Array.isArray(entry) || entry.length !== 2)
      throw new TypeError('a list of headers has pairs: [["accept", "text/html"]]');
    const [name, value] = entry as readonly unknown[];
    if (value === undefined || value === null) return [];
    return (Array.isArray(value) ? value : [value]).map((each) => [String(name), String(each)] as const);
  });
}

function parsedUrl(url: string | URL): URL {
  const parsed = URL.parse(String(url));
  if (parsed === null) throw new TypeError(`${JSON.stringify(String(url))} is no URL; write http://host/path`);
  return parsed;
}
