/**
 * Answers that need no endpoint: redirects and responses of a route. Source: Envoy's `DirectResponseEntry`, `newUri` and
 * `sendLocalReply`, as its version 1.40 answers; RFC 9110, section 15.4.
 */
import { grpcStatusFromHttp } from '../../base/grpc-status.ts';
import type { PathMatcher } from '../../model/match.ts';
import type { RedirectAction, RespondAction } from '../../model/route.ts';
import { editResponseHeaders, type EditableRequest, type ResponseEdit, type ResponseHeaders } from './edit-request.ts';
import { grpcMessage, isGrpcRequest } from './grpc-request.ts';
import { authorityOf, pathOnly, schemeOf } from './request-view.ts';
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
  if (path !== undefined && path !== '') return undefined;
  if (regex !== undefined) return compilePathEdit({ kind: 'regex', ...regex }, match);
  return prefix === undefined ? undefined : compilePathEdit({ kind: 'prefix', prefix }, match);
}

/** The answer to a request. A gRPC client gets the status of its call in the headers, as from Envoy. */
export function answerOf({ action, path, edit }: CompiledAnswer, request: EditableRequest): LocalAnswer {
  const { status } = action;
  const body = action.kind === 'respond' ? (action.body ?? '') : '';
  const own: ResponseHeaders = {};
  if (body !== '') {
    own['content-length'] = String(Buffer.byteLength(body));
    own['content-type'] = 'text/plain';
  }
  if (action.kind === 'redirect') own['location'] = locationOf(action, path?.(request.path) ?? request.path, request);
  // What the request asked for is what was made, or what is elsewhere: Envoy says where for a response too.
  else if (status === 201 || (status >= 300 && status < 400)) own['location'] = locationAsAsked(request);
  const edited = edit === undefined ? own : editResponseHeaders(edit, own);
  const headers = body === '' ? withoutContent(edited) : { ...edited, 'content-type': edited['content-type'] ?? 'text/plain' };
  if (isGrpcRequest(request)) return grpcAnswer(status, body, headers);
  return { status, headers, body: request.method === 'HEAD' ? '' : body };
}

/** Of nothing there is no type, even where a mutation names one (Envoy). */
function withoutContent({ 'content-type': _type, 'content-length': _length, ...headers }: ResponseHeaders): ResponseHeaders {
  return headers;
}

function grpcAnswer(status: number, body: string, headers: ResponseHeaders): LocalAnswer {
  const { 'content-length': _length, ...kept } = headers;
  const grpc: ResponseHeaders = { 'content-type': 'application/grpc', 'grpc-status': String(grpcStatusFromHttp(status)) };
  if (body !== '') grpc['grpc-message'] = grpcMessage(body);
  return { status: 200, headers: { ...kept, ...grpc }, body: '' };
}

/** Where a request over plain HTTP goes whose virtual host wants TLS. No header mutation touches it. */
export function redirectToTls(request: EditableRequest): LocalAnswer {
  return { status: 301, headers: { location: `https://${authorityOf(request)}${request.path}` }, body: '' };
}

function locationAsAsked(request: EditableRequest): string {
  return `${schemeOf(request)}://${authorityOf(request)}${request.path}`;
}

/** The address that a redirect sends to; `path` has been rewritten already. */
function locationOf(action: RedirectAction, path: string, request: EditableRequest): string {
  const before = schemeOf(request);
  // What is empty says nothing, as in Envoy's configuration.
  const scheme = action.scheme || before;
  const port = action.port === undefined || action.port === 0 ? '' : `:${action.port}`;
  const host = action.host || hostWithoutPort(authorityOf(request), before, scheme, port !== '');
  const target = redirectTarget(action, path);
  // A rewrite may leave the slash out; Envoy puts it there.
  return `${scheme}://${host}${port}${target.startsWith('/') ? '' : '/'}${target}`;
}

function redirectTarget({ path: fixed = '', stripQuery = false }: RedirectAction, path: string): string {
  // A query of the fixed path stands, whatever else is said.
  if (fixed.includes('?')) return fixed;
  const only = pathOnly(path);
  return (fixed || only) + (stripQuery ? '' : path.slice(only.length));
}

/** The host that was asked for; its port is dropped when a new one comes, or when it was the default of another scheme. */
function hostWithoutPort(host: string, before: string, after: string, hasNewPort: boolean): string {
  const port = /:\d*$/.exec(host)?.[0];
  if (port === undefined) return host;
  const isOldDefault = before !== after && port === (before === 'https' ? ':443' : ':80');
  return hasNewPort || isOldDefault ? host.slice(0, -port.length) : host;
}
