import type { InboundRequest, VerifiedToken } from '../../src/model/inbound.ts';
import type { AccessRequest, PathSpelling } from '../../src/data-plane/inbound/access-request.ts';
import type { InboundConnection } from '../../src/data-plane/inbound/inbound-connection.ts';

/** What a test says of a request that came in; the rest is that of a GET in plaintext. */
export interface RequestParts {
  readonly method?: string;
  readonly path?: string;
  readonly pathSpelling?: PathSpelling | undefined;
  readonly refusingSpelling?: PathSpelling | undefined;
  readonly authority?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly connection?: Partial<InboundConnection>;
  readonly tokens?: readonly VerifiedToken[];
  readonly remoteAddress?: string;
}

/** A request as policies look at it, and Node's object of it. */
export function inboundRequest(parts: RequestParts = {}): { readonly access: AccessRequest; readonly node: InboundRequest } {
  const { method = 'GET', path = '/', authority = 'orders', headers = [], tokens = [], remoteAddress = '192.0.2.1' } = parts;
  const node: InboundRequest = {
    method,
    url: path,
    httpVersionMajor: 1,
    rawHeaders: [['host', authority] as const, ...headers].flat(),
    headers: {},
    socket: {},
  };
  const connection: InboundConnection = {
    isTls: false,
    protocol: 'http/1.1',
    serverName: undefined,
    offeredAlpn: [],
    directAddress: remoteAddress,
    peerAddress: remoteAddress,
    localAddress: '192.0.2.2',
    localPort: 8080,
    identity: undefined,
    certificate: undefined,
    peer: { isAuthenticated: false, dnsNames: [], uris: [], address: remoteAddress },
    ...parts.connection,
  };
  const access: AccessRequest = {
    method,
    path,
    pathOnly: path.split('?')[0]!,
    pathSpelling: parts.pathSpelling,
    refusingSpelling: parts.refusingSpelling,
    authority,
    scheme: connection.isTls ? 'https' : 'http',
    connection,
    remoteAddress,
    tokens,
    requestPrincipal: undefined,
    header(name) {
      if (name === ':method') return method;
      const values: string[] = [];
      for (let index = 0; index < node.rawHeaders.length; index += 2)
        if (node.rawHeaders[index]!.toLowerCase() === name) values.push(node.rawHeaders[index + 1]!);
      return values.length <= 1 ? values[0] : values;
    },
  };
  return { access, node };
}
