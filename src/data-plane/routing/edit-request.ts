/**
 * How a request is changed before it is sent, and its response before the caller gets it. Source: `finalizeRequestHeaders` and
 * `finalizeResponseHeaders` of Envoy's router: the header mutations of each place come first, then the host (it may be the value of
 * a header that a mutation has set), then the path.
 */
import type { HostRewrite } from '../../model/route.ts';
import { firstHeader, flatHeaders, headerList, lowerCaseName, type HeaderList } from './header-list.ts';
import { mutateHeaders, withHeader, type CompiledMutation } from './header-mutation.ts';
import { pathOnly, type RequestView } from './request-view.ts';
import type { PathEdit } from './rewrite-path.ts';
import { compileSubstitution } from './substitution.ts';

/** A request with all that an edit reads of it. */
export interface EditableRequest extends RequestView {
  readonly scheme: string;
  readonly authority: string;
}

/** A request as it is sent. */
export interface EditedRequest {
  /** With its query. */
  readonly path: string;
  /** Undefined = unchanged. */
  readonly authority: string | undefined;
  /** The request's own where no edit changed them, else a flat array. Without `host` where `authority` is set. */
  readonly headers: RequestView['headers'];
}

/** What is changed of a request; at least one thing. */
export interface RequestEdit {
  readonly path: PathEdit | undefined;
  readonly host: HostEdit | undefined;
  /** The host is the chosen endpoint's name, which each attempt knows for itself. */
  readonly isHostFromEndpoint: boolean;
  /** The host is that of one destination, not of the whole route. */
  readonly isHostOfDestination: boolean;
  /** The host before is appended to `x-forwarded-host`; never for the host of a destination. */
  readonly appendsForwardedHost: boolean;
  /** In the order in which they are carried out. */
  readonly headers: readonly CompiledMutation[];
}

/** What is changed of a response; at least one thing. */
export interface ResponseEdit {
  readonly headers: readonly CompiledMutation[];
}

/** The new host, from the headers as the mutations left them and the path as it came. Undefined = unchanged. */
type HostEdit = (headers: HeaderList, path: string) => string | undefined;

/** Headers of a response; names are lower case. */
export type ResponseHeaders = Record<string, string | string[] | undefined>;

/** Compiles a rewrite of the host that does not depend on the endpoint. */
export function compileHostEdit(rewrite: HostRewrite | undefined): HostEdit | undefined {
  if (rewrite === undefined || rewrite.kind === 'endpoint') return undefined;
  if (rewrite.kind === 'literal') return () => rewrite.host;
  if (rewrite.kind === 'header') {
    const name = lowerCaseName(rewrite.name);
    return (headers) => firstHeader(headers, name);
  }
  const substitution = compileSubstitution(rewrite.regex, rewrite.substitution);
  return (_headers, path) => substitution(pathOnly(path));
}

/**
 * Changes a request. `x-envoy-original-host` and `x-envoy-original-path` tell what the route has rewritten, as Envoy's do; a host
 * that a destination of its own has is not told.
 */
export function editRequest(edit: RequestEdit, request: EditableRequest): EditedRequest {
  const before = headerList(request.headers);
  let list = before;
  for (const mutation of edit.headers) list = mutateHeaders(list, mutation);
  // An empty name changes nothing (Envoy).
  const authority = edit.host?.(list, request.path) || undefined;
  if (authority !== undefined) {
    const original = firstHeader(list, 'host') ?? request.authority;
    list = list.filter(([name]) => lowerCaseName(name) !== 'host');
    if (!edit.isHostOfDestination) list = withHeader(list, ['x-envoy-original-host', original]);
    if (edit.appendsForwardedHost) list = withHeader(list, [forwardedHostHeader, withForwardedHost(valueOf(list), original)]);
  }
  const path = edit.path?.(request.path);
  if (path !== undefined) list = withHeader(list, ['x-envoy-original-path', request.path]);
  return {
    path: path ?? request.path,
    authority,
    headers: list === before ? request.headers : flatHeaders(list),
  };
}

/** Header with the hosts that a request was sent to before its host was rewritten, the latest last. */
export const forwardedHostHeader = 'x-forwarded-host';

/** What `x-forwarded-host` becomes; a host that stands there last already is not appended again. Source: Envoy `updateAuthority`. */
export function withForwardedHost(before: string | undefined, host: string): string {
  if (before === undefined || before === '') return host;
  return before.slice(before.lastIndexOf(',') + 1) === host ? before : `${before},${host}`;
}

function valueOf(list: HeaderList): string | undefined {
  const values = list.filter(([name]) => lowerCaseName(name) === forwardedHostHeader).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(',');
}

/** Changes the headers of a response. */
export function editResponseHeaders(edit: ResponseEdit, headers: ResponseHeaders): ResponseHeaders {
  let list = headerList(headers);
  for (const mutation of edit.headers) list = mutateHeaders(list, mutation);
  return headerRecord(list);
}

/** The headers by name; one with several values has a list of them, as from undici's parser. */
function headerRecord(list: HeaderList): ResponseHeaders {
  const record: ResponseHeaders = {};
  for (const [name, value] of list) {
    const there = Object.hasOwn(record, name) ? record[name] : undefined;
    if (there === undefined) record[name] = value;
    else if (Array.isArray(there)) there.push(value);
    else record[name] = [there, value];
  }
  return record;
}
