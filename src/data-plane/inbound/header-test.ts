/**
 * Conditions on headers and hosts in access rules.
 *
 * Of several values of a header one has to pass, and `invert` turns around what they come to together: so Envoy, since it no longer
 * joins them (CVE-2026-26308). Headers that stand once are one list (joined-headers.ts). Beyond that, a rule that keeps requests out:
 *
 * - looks at the values both joined and one by one: two header lines and one with a comma say the same (RFC 9110, section 5.3), two
 *   lines of cookies are one, and of some headers Node shows a handler the first line alone;
 * - where it denies, is not talked out of a negated condition by a further value: DENY for whoever is not `admin` meets
 *   `x-role: user, x-role: admin`.
 *
 * Hosts reach a rule in their normal form, the one that the handler sees (request-authority.ts); what a rule says is brought into it
 * too. So a rule about `Admin.example` or `admin.example:80` means the host, however it is written.
 */
import type { StringMatcher, ValueMatcher } from '../../model/match.ts';
import { joinedRequestHeaders } from '../routing/joined-headers.ts';
import { compileString, compileValue } from '../routing/match-value.ts';
import type { AccessRequest } from './access-request.ts';
import { hostNameOf } from './host-name.ts';

/** Which way a condition counts: see access-test.ts. */
export interface ConditionSense {
  /** Met, it keeps requests out. */
  readonly refuses: boolean;
  /** It stands in a rule that denies, on its own or under `not`. */
  readonly denies: boolean;
}

type HeaderValues = string | readonly string[] | undefined;
type HeaderReader = (request: AccessRequest, name: string) => HeaderValues;

/** They are about the connection, and no rule that lets requests in finds them, as in Envoy. */
const hopByHop: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding']);

/** Compiles a test of a header, of the request line (`:method`, `:path`, `:authority`, `:scheme`) or of `host`. */
export function compileHeader(header: ValueMatcher, { refuses, denies }: ConditionSense): (request: AccessRequest) => boolean {
  const name = header.name.toLowerCase();
  const named = { ...header, name };
  if (name === ':authority' || name === 'host') return compileAuthority(named);
  if (!refuses && hopByHop.has(name)) return compileValue<AccessRequest>(named, () => undefined);
  const test = compileValue<AccessRequest>(named, readerOf(name));
  if (name.startsWith(':')) return test;
  const { invert = false, match } = header;
  // In a rule that allows, Envoy's way; but for what `not` keeps out by a header.
  if (!denies && (!refuses || invert)) return test;
  const one = compileValue<string>({ name, match }, (value) => value);
  const separator = name === 'cookie' ? '; ' : ', ';
  const isMostMet = refuses !== invert;
  return (request) => {
    const values = request.header(name);
    const isMet = test(request);
    if (typeof values !== 'object') return isMet;
    const passes = isMet !== invert;
    // Passed by any reading of the values, or by every one: whichever keeps more requests out.
    return isMostMet
      ? (passes || values.some(one) || one(values.join(',')) || one(values.join(separator))) !== invert
      : (passes && values.every(one)) !== invert;
  };
}

/** Compiles a test of the host: in lower case, with the port that was asked for or without one. */
export function compileHost(match: StringMatcher): (request: AccessRequest) => boolean {
  const test = compileString(inNormalForm(match));
  return ({ authority }) => authority !== '' && (test(authority) || test(hostNameOf(authority)));
}

function readerOf(name: string): HeaderReader {
  if (name === 'x-forwarded-proto') return forwardedProto;
  if (name === 'te') return trailersOnly;
  if (name === 'cookie') return cookies;
  return joinedRequestHeaders.has(name) ? joinedOnce : plain;
}

const plain: HeaderReader = (request, name) => request.header(name);

const joinedOnce: HeaderReader = (request, name) => {
  const values = request.header(name);
  return typeof values === 'object' ? values.filter((value) => value !== '').join(',') : values;
};

/** HTTP/2 may take cookies apart; together they are the one header (RFC 9113, section 8.2.3). */
const cookies: HeaderReader = (request, name) =>
  request.connection.protocol === 'h2' ? joinedBy(request, name, '; ') : request.header(name);

/** Where no trusted proxy said otherwise it is the scheme of the connection. */
const forwardedProto: HeaderReader = (request, name) => joinedOnce(request, name) ?? request.scheme;

/** Everything else that `te` may say is about the connection. */
const trailersOnly: HeaderReader = (request, name) => {
  const value = joinedOnce(request, name);
  return value === 'trailers' ? value : undefined;
};

function joinedBy(request: AccessRequest, name: string, separator: string): string | undefined {
  const values = request.header(name);
  return typeof values === 'object' ? values.join(separator) : values;
}

function compileAuthority({ match, invert = false, whenMissing }: ValueMatcher): (request: AccessRequest) => boolean {
  if (match.kind === 'range') return () => invert; // no host is a number
  const test = compileString(inNormalForm(match));
  const missing = whenMissing === 'empty' ? test('') !== invert : match.kind === 'present' && invert;
  const mayNamePort = match.kind === 'regex' || (match.kind !== 'present' && match.value.includes(':'));
  return ({ authority, scheme }) => {
    if (authority === '') return missing;
    const passes = test(authority) || (mayNamePort && hostNameOf(authority) === authority && test(withPort(authority, scheme)));
    return passes !== invert;
  };
}

function withPort(host: string, scheme: string): string {
  return `${host}:${scheme === 'https' ? 443 : 80}`;
}

/** Without upper case and the final dot; the value that it is compared with has neither. */
function inNormalForm(match: StringMatcher): StringMatcher {
  if (match.kind === 'present') return match;
  if (match.kind === 'regex') return { ...match, value: `(?i)${match.value}` };
  const value = match.value.toLowerCase();
  return { ...match, value: match.kind === 'exact' ? value.replace(/\.(?=$|:\d+$)/, '') : value };
}
