/**
 * Conditions of access rules, compiled to tests of a request.
 *
 * Each is compiled in one of two directions. In a rule that lets requests in, whatever cannot be told counts as not met; in a rule that
 * keeps them out it counts as met, and `not` turns the direction around. So a condition that cannot be compiled refuses, wherever it
 * stands, and names that prove little (of a certificate that is no proper SVID, a subject, a host in its other spelling) can keep a
 * caller out and never let one in.
 */
import type { Permission, Principal } from '../../model/authorization.ts';
import type { PathMatcher, StringMatcher, ValueMatcher } from '../../model/match.ts';
import { joinedRequestHeaders } from '../routing/joined-headers.ts';
import { compilePath, compileString, compileValue, type StringTest } from '../routing/match-value.ts';
import type { AccessRequest } from './access-request.ts';
import { compileAddressRange } from './address-range.ts';
import { compileClaim } from './claim-test.ts';
import { hostNameOf } from './host-name.ts';
import { compileIdentity, compileNamespace } from './identity-test.ts';

/** A compiled condition. */
export type AccessTest = (request: AccessRequest) => boolean;

/** Compiles a condition. Never throws: one that cannot be compiled is met, or not, as `refuses` says. */
export function compileCondition(condition: Permission | Principal, refuses: boolean): AccessTest {
  try {
    return compiled(condition, refuses);
  } catch {
    return () => refuses;
  }
}

function compiled(condition: Permission | Principal, refuses: boolean): AccessTest {
  switch (condition.kind) {
    case 'any':
      return () => true;
    case 'all':
      return every(condition.of.map((each: Permission | Principal) => compileCondition(each, refuses)));
    case 'some':
      return some(condition.of.map((each: Permission | Principal) => compileCondition(each, refuses)));
    case 'not': {
      const test = compileCondition(condition.of, !refuses);
      return (request) => !test(request);
    }
    case 'tls':
      return ({ connection }) => connection.isTls;
    case 'identity':
      return compileIdentity(condition.match, refuses);
    case 'namespace':
      return compileNamespace(condition.match, refuses);
    case 'source-ip': {
      const isWithin = compileAddressRange(condition.cidr);
      if (condition.which === 'remote') return ({ remoteAddress }) => isWithin(remoteAddress);
      return ({ connection }) => isWithin(connection.directAddress);
    }
    case 'destination-ip': {
      const isWithin = compileAddressRange(condition.cidr);
      return ({ connection }) => isWithin(connection.localAddress);
    }
    case 'port': {
      const { start, end } = condition;
      return ({ connection: { localPort } }) => localPort >= start && localPort <= end;
    }
    case 'sni': {
      const test = compileString(condition.match);
      return ({ connection }) => test(connection.serverName ?? '');
    }
    case 'method': {
      const test = compileString(condition.match);
      return ({ method }) => method !== '' && test(method);
    }
    case 'path': {
      const test = compileAccessPath(condition.match);
      // Of a connection that is asked about before any request there is no path.
      return ({ pathOnly }) => pathOnly !== '' && test(pathOnly);
    }
    case 'host':
      return compileHost(condition.match);
    case 'header':
      return compileHeader(condition.header, refuses);
    case 'claim':
      return compileClaim(condition);
    case 'request-principal': {
      const test = compileString(condition.match);
      return ({ requestPrincipal }) => requestPrincipal !== undefined && test(requestPrincipal);
    }
    default:
      // A kind of a newer model.
      return () => refuses;
  }
}

/** All of them. */
export function every(tests: readonly AccessTest[]): AccessTest {
  const [first, second] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (tests.length === 2) return (request) => first(request) && second(request);
  return (request) => {
    for (const test of tests) if (!test(request)) return false;
    return true;
  };
}

/** One of them. */
export function some(tests: readonly AccessTest[]): AccessTest {
  const [first, second] = tests;
  if (first === undefined) return () => false;
  if (second === undefined) return first;
  if (tests.length === 2) return (request) => first(request) || second(request);
  return (request) => {
    for (const test of tests) if (test(request)) return true;
    return false;
  };
}

function compileAccessPath(match: PathMatcher | StringMatcher): StringTest {
  return match.kind === 'template' || match.kind === 'segment-prefix' ? compilePath(match) : compileString(match);
}

/** Hosts are compared in lower case, with the port that was asked for or without one. */
function compileHost(match: StringMatcher): AccessTest {
  const test = compileString(withoutCase(match));
  return ({ authority }) => authority !== '' && (test(authority) || test(hostNameOf(authority)));
}

function withoutCase<M extends ValueMatcher['match']>(match: M): M {
  if (match.kind === 'present' || match.kind === 'range') return match;
  return match.kind === 'regex' ? { ...match, value: `(?i)${match.value}` } : { ...match, ignoreCase: true };
}

/**
 * Of several values of a header one has to pass, as in Envoy since it no longer joins them (CVE-2026-26308). A rule that keeps requests
 * out looks at them joined too, since two headers and one with a comma say the same (RFC 9110, section 5.3); and at a host in the form
 * that the rest of the way in uses, beside the one in which it came.
 */
function compileHeader(header: ValueMatcher, refuses: boolean): AccessTest {
  const name = header.name.toLowerCase();
  if (name === ':authority' || name === 'host') return compileAuthorityHeader(header, refuses);
  const read = joinedRequestHeaders.has(name) ? joinedHeader : headerOf;
  const test = compileValue<AccessRequest>({ ...header, name }, read);
  if (!refuses || read === joinedHeader || name.startsWith(':')) return test;
  const joined = compileValue<AccessRequest>({ ...header, name }, joinedHeader);
  const spaced = compileValue<AccessRequest>({ ...header, name }, spacedHeader);
  return (request) => test(request) || (typeof request.header(name) === 'object' && (joined(request) || spaced(request)));
}

function compileAuthorityHeader(header: ValueMatcher, refuses: boolean): AccessTest {
  const asSent = { ...header, name: ':authority' };
  const test = compileValue<AccessRequest>(asSent, headerOf);
  if (!refuses) return test;
  const folded = compileValue<AccessRequest>({ ...asSent, match: withoutCase(header.match) }, ({ authority }) => authority);
  return (request) => test(request) || (request.authority !== '' && folded(request));
}

const headerOf = (request: AccessRequest, name: string): string | readonly string[] | undefined => request.header(name);

/** Of headers that stand once. */
function joinedHeader(request: AccessRequest, name: string): string | undefined {
  const values = request.header(name);
  return typeof values === 'object' ? values.filter((value) => value !== '').join(',') : values;
}

function spacedHeader(request: AccessRequest, name: string): string | undefined {
  const values = request.header(name);
  return typeof values === 'object' ? values.join(', ') : values;
}
