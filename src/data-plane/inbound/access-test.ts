/**
 * Conditions of access rules, compiled to tests of a request.
 *
 * Each is compiled in one of two directions. In a rule that lets requests in, whatever cannot be told counts as not met; in a rule that
 * keeps them out it counts as met, and `not` turns the direction around. So a condition that cannot be compiled refuses, wherever it
 * stands, and names that prove little (of a certificate that is no proper SVID, a subject, a host in its other spelling) can keep a
 * caller out and never let one in.
 */
import type { Permission, Principal } from '../../model/authorization.ts';
import { compileString } from '../routing/match-value.ts';
import { compileAccessPath } from './access-path.ts';
import type { AccessRequest } from './access-request.ts';
import { compileAddressRange } from './address-range.ts';
import { compileClaim } from './claim-test.ts';
import { compileHeader, compileHost, type ConditionSense } from './header-test.ts';
import { compileIdentity, compileNamespace } from './identity-test.ts';

/** A compiled condition. */
export type AccessTest = (request: AccessRequest) => boolean;

/** Compiles a condition. Never throws: one that cannot be compiled is met, or not, as its sense says. */
export function compileCondition(condition: Permission | Principal, sense: ConditionSense): AccessTest {
  try {
    return compiled(condition, sense);
  } catch {
    return () => sense.refuses;
  }
}

function compiled(condition: Permission | Principal, sense: ConditionSense): AccessTest {
  const { refuses } = sense;
  switch (condition.kind) {
    case 'any':
      return () => true;
    case 'all':
      return every(condition.of.map((each: Permission | Principal) => compileCondition(each, sense)));
    case 'some':
      return some(condition.of.map((each: Permission | Principal) => compileCondition(each, sense)));
    case 'not': {
      const test = compileCondition(condition.of, { ...sense, refuses: !refuses });
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
      // Over a Unix domain socket nobody has an address.
      const isIn = (address: string): boolean => (address === '' ? refuses : isWithin(address));
      switch (condition.which) {
        case 'direct':
          return ({ connection }) => isIn(connection.directAddress);
        case 'connection':
          return ({ connection }) => isIn(connection.peerAddress);
        case 'remote':
          return ({ remoteAddress }) => isIn(remoteAddress);
        default:
          // An address of a newer model.
          return () => refuses;
      }
    }
    case 'destination-ip': {
      const isWithin = compileAddressRange(condition.cidr);
      return ({ connection }) => isWithin(connection.localAddress);
    }
    case 'port': {
      const { start, end } = condition;
      return ({ connection, policyPort = connection.localPort }) => policyPort >= start && policyPort <= end;
    }
    case 'sni': {
      const test = compileString(condition.match);
      return ({ connection }) => test(connection.serverName ?? '');
    }
    case 'method': {
      const test = compileString(condition.match);
      return ({ method }) => method !== '' && test(method);
    }
    case 'path':
      return compileAccessPath(condition.match, refuses);
    case 'host':
      return compileHost(condition.match);
    case 'header':
      return compileHeader(condition.header, sense);
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
