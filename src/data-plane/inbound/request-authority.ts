/**
 * The host that a request is for, in one form for rules, routes and the handler: lower case, without a final dot, without the default
 * port of the scheme.
 *
 * There is exactly one. An absolute target says it, and `Host` is ignored then (RFC 9112, section 3.2.2): the handler is shown the
 * former. Two `Host` headers, a `host` beside `:authority` that names another (RFC 9113, section 8.3.1), user information and whatever is
 * no host name or address are refused, since some reader of them would see another host than the rules did.
 */
import { isIPv6 } from 'node:net';
import type { InboundRefusal, InboundRequest } from '../../model/inbound.ts';
import { refusal } from './refusal.ts';
import { forgetViews } from './request-headers.ts';

const tooMany = refusal(400, '', { details: 'duplicate_host' });
const different = refusal(400, '', { details: 'host_is_not_authority' });
const missing = refusal(400, '', { details: 'missing_host_header' });
const invalid = refusal(400, '', { details: 'invalid_host' });

/** Longest name of DNS with its port. */
const maxLength = 261;

/**
 * Authority of a request, empty where an HTTP/1.0 client names none; or how the request is answered. Where the request says it in
 * another form, its headers are edited. To be called before the target is rewritten.
 */
export function authorityOf(request: InboundRequest, scheme: string): string | InboundRefusal {
  const { rawHeaders, url = '/' } = request;
  let host: string | undefined;
  let pseudo: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length === 4) {
      if (name !== 'host' && name.toLowerCase() !== 'host') continue;
      if (host !== undefined) return tooMany;
      host = rawHeaders[index + 1]!;
    } else if (name === ':authority') {
      if (pseudo !== undefined) return tooMany;
      pseudo = rawHeaders[index + 1]!;
    }
  }
  const first = url.charCodeAt(0);
  // `/` or `*`; all others name their authority: `http://host/path`, or `host:port` of CONNECT.
  const said = (first === 47 || first === 42 ? undefined : authorityOfTarget(request.method, url)) ?? pseudo ?? host;
  if (said === undefined) return isHttp10(request) ? '' : missing;
  const authority = normalizeAuthority(said, scheme);
  if (authority === undefined) return invalid;
  if (pseudo !== undefined && host !== undefined && host !== pseudo && normalizeAuthority(host, scheme) !== authority)
    return different;
  if ((host !== undefined && host !== authority) || (pseudo !== undefined && pseudo !== authority)) rewrite(request, authority);
  return authority;
}

/** Undefined = the target is in a form that has none. */
function authorityOfTarget(method: string | undefined, target: string): string | undefined {
  if (method === 'CONNECT') return target;
  return /^https?:\/\/([^/?#\\]*)/i.exec(target)?.[1];
}

/** The one version that knows requests without a host. */
function isHttp10(request: InboundRequest): boolean {
  return request.httpVersionMajor === 1 && (request as { readonly httpVersionMinor?: number }).httpVersionMinor === 0;
}

function rewrite(request: InboundRequest, authority: string): void {
  const { rawHeaders } = request;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name === ':authority' || (name.length === 4 && name.toLowerCase() === 'host')) rawHeaders[index + 1] = authority;
  }
  forgetViews(request);
}

/** An authority in its one form; undefined when it is none. */
export function normalizeAuthority(text: string, scheme: string): string | undefined {
  if (text.length > maxLength) return undefined;
  if (isNormal(text, scheme)) return text;
  if (text === '') return '';
  const [, name = '', port = ''] = /^(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::(\d{0,5}))?$/.exec(text.toLowerCase()) ?? [];
  const host = name.startsWith('[') ? addressOf(name) : nameOf(name);
  if (host === undefined) return undefined;
  if (port === '') return host;
  const number = Number(port);
  if (number > 65_535) return undefined;
  return number === (scheme === 'https' ? 443 : 80) ? host : `${host}:${number}`;
}

/** Whether it is in its one form: a plain name, with or without a port. */
function isNormal(text: string, scheme: string): boolean {
  let previous = dot;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === colon) return previous !== dot && isNormalPort(text, index + 1, scheme);
    const isPlain = (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 45 || code === 95;
    if (!isPlain && (code !== dot || previous === dot)) return false;
    previous = code;
  }
  return previous !== dot;
}

const dot = 46;
const colon = 58;

/** Whether the rest is a port without zeros before it, and not the default one. */
function isNormalPort(text: string, start: number, scheme: string): boolean {
  let port = 0;
  for (let index = start; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9 || port > 6553 || (digit === 0 && index === start)) return false;
    port = port * 10 + digit;
  }
  return port > 0 && port <= 65_535 && port !== (scheme === 'https' ? 443 : 80);
}

function nameOf(text: string): string | undefined {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  return name === '' || name.startsWith('.') || name.endsWith('.') || name.includes('..') ? undefined : name;
}

function addressOf(bracketed: string): string | undefined {
  return isIPv6(bracketed.slice(1, -1)) ? bracketed : undefined;
}
