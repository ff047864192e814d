/**
 * Authorization of connections, before anything of them is read (Envoy's network RBAC). There is no request yet: what a rule asks of
 * its method, path, headers and tokens is not met.
 */
import type { AuthorizationPolicyConfig } from '../../model/authorization.ts';
import type { AccessRequest } from './access-request.ts';
import { accessDetails, compileAuthorizer, type AccessListener, type AccessVerdict } from './authorizer.ts';
import type { InboundConnection } from './inbound-connection.ts';

/** Compiled policies of the connections of a filter chain. */
export interface ConnectionAuthorizer {
  /**
   * The verdict on a connection whose handshake is over, for the port of this policy; absent = the one that it came to. Nobody can be
   * asked about one: what would be is denied. Never throws.
   */
  check(connection: InboundConnection, policyPort?: number): Exclude<AccessVerdict, { kind: 'ask' }>;
}

/** Compiles policies for connections. Never throws. */
export function compileConnectionAuthorizer(
  policies: readonly AuthorizationPolicyConfig[],
  listener?: AccessListener,
): ConnectionAuthorizer {
  const authorizer = compileAuthorizer(policies, listener);
  return {
    check(connection, policyPort) {
      const verdict = authorizer.check(requestOf(connection, policyPort));
      if (verdict.kind !== 'ask') return verdict;
      const { rule } = verdict.policies[0]!;
      return { kind: 'denied', rule, details: accessDetails(rule) };
    },
  };
}

function requestOf(connection: InboundConnection, policyPort: number | undefined): AccessRequest {
  return {
    method: '',
    path: '',
    pathOnly: '',
    authority: '',
    scheme: connection.isTls ? 'https' : 'http',
    connection,
    policyPort,
    remoteAddress: connection.peerAddress,
    tokens: [],
    requestPrincipal: undefined,
    header: () => undefined,
  };
}
