/**
 * Answers that need no endpoint: redirects and responses of a route. Source: Envoy's `DirectResponseEntry`, `newUri` and
 * `sendLocalReply`; RFC 9110, section 15.4.
 */
import type { PathMatcher } from '../../model/match.ts';
import type { RedirectAction, RespondAction } from '../../model/route.ts';
import { editResponseHeaders, type EditableRequest, type ResponseEdit, type ResponseHeaders } from './edit-request.ts';
import { headerOf, pathOnly } from './request-view.ts';
import { compilePathEdit, type PathEdit } from './rewrite-path.ts';

/** An answer of the mesh itself. */
export interface LocalAnswer {
  readonly status: number;
  /** Names are lower case. */
  readonly headers: Readonly<ResponseHeaders>;
  /** Empty for HEAD. */
  readonly body: string;
}

/** A redirect or response of a route, ready for requests. */
export interface CompiledAnswer {
  readonly action: RedirectAction | RespondAction;
  /** The new path of a redirect by prefix or by pattern. */
  readonly path: PathEdit | undefined;
  readonly edit: ResponseEdit | undefined;
}

/** Compiles the answer of a route that matches `match`; its response gets the header mutations of every place. */
export function compileAnswer(
  action: RedirectAction | RespondAction,
  match: PathMatcher | undefined,
  edit: ResponseEdit | undefined,
): CompiledAnswer {
  return { action, path: action.kind === 'redirect' ? redirectedPath(action, match) : undefined, edit };
}

function redirectedPath({ path, prefix, regex }: RedirectAction, match: PathMatcher | undefined): PathEdit | undefined {
  if (path !== undefined) return undefined;
  if (regex !== undefined) return compilePathEdit({ kind: 'regex', ...regex }, match);
  return prefix === undefined ? undefined : compilePathEdit({ kind: 'prefix', prefix }, match);
}

/** The answer to a request. */
export function answerOf(answer: CompiledAnswer, request: EditableRequest): LocalAnswer {
  const { action, path, edit } = answer;
  if (action.kind === 'respond') {
    return localAnswer(request, action.status, action.body ?? '', {}, edit);
  }
  const location = locationOf(action, path?.(request.path) ?? request.path, request);
  return localAnswer(request, action.status, '', { location }, edit);
}

/** Where a request over plain HTTP goes whose virtual host wants TLS. */
export function redirectToTls(request: EditableRequest): LocalAnswer {
  return localAnswer(request, 301, '', { location: `https://${hostOf(request)}${request.path}` }, undefined);
}

/** The address that a redirect sends to; `path` has been rewritten already. */
function locationOf(action: RedirectAction, path: string, request: EditableRequest): string {
  const scheme = action.scheme ?? request.scheme;
  const port = action.port === undefined ? '' : `:${action.port}`;
  const host = action.host ?? hostWithoutPort(hostOf(request), request.scheme, scheme, port !== '');
  return `${scheme}://${host}${port}${redirectTarget(action, path)}`;
}

function redirectTarget(action: RedirectAction, path: string): string {
  const { path: fixed, stripQuery = false } = action;
  // A query of the fixed path stands, whatever else is said.
  if (fixed?.includes('?') === true) return fixed;
  const query = path.slice(pathOnly(path).length);
  return (fixed ?? pathOnly(path)) + (stripQuery ? '' : query);
}

/** The host that was asked for; its port is dropped when a new one comes, or when it was the default of another scheme. */
function hostWithoutPort(host: string, before: string, after: string, hasNewPort: boolean): string {
  const port = /:\d*$/.exec(host)?.[0];
  if (port === undefined) return host;
  const isOldDefault = before !== after && port === (before === 'https' ? ':443' : ':80');
  return hasNewPort || isOldDefault ? host.slice(0, -port.length) : host;
}

function hostOf(request: EditableRequest): string {
  return headerOf(request, 'host') ?? request.authority;
}

/** A gRPC client gets its status in headers, as Envoy's local replies have it. */
function localAnswer(
  request: EditableRequest,
  status: number,
  body: string,
  headers: ResponseHeaders,
  edit: ResponseEdit | undefined,
): LocalAnswer {
  const written: ResponseHeaders = { ...headers };
  if (body !== '') {
    written['content-length'] = String(Buffer.byteLength(body));
    written['content-type'] = 'text/plain';
  }
  return {
    status,
    headers: edit === undefined ? written : editResponseHeaders(edit, written),
    body: request.method === 'HEAD' ? '' : body,
  };
}
