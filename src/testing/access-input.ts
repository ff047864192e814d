/** The request and the peer of an authorization test, in the form in which the way in has them. */
import type { AccessRequest } from '../data-plane/inbound/access-request.ts';
import type { InboundConnection } from '../data-plane/inbound/inbound-connection.ts';
import { inboundPeer } from '../data-plane/inbound/inbound-peer.ts';
import type { InboundRequest, VerifiedToken } from '../model/inbound.ts';
import type { PeerIdentity } from '../security/peer-identity.ts';
import { hasSpiffeScheme, parseSpiffeId, spiffeIdProblem } from '../security/spiffe-id.ts';
import { headerPairs, type HeadersInput } from './route-request.ts';

/** A request as it comes in. */
export interface AuthorizedRequest {
  /** Default `GET`. */
  readonly method?: string;
  /** Target of the request line, with its query. Default `/`. */
  readonly path?: string;
  /** The `Host` header. Default: none but one among `headers`. */
  readonly host?: string;
  readonly headers?: HeadersInput;
  /** Port of this process that it comes to. Default 80. */
  readonly port?: number;
  /** Tokens that were verified. */
  readonly tokens?: readonly (Partial<VerifiedToken> & Pick<VerifiedToken, 'claims'>)[];
}

/** Who sends it. Without a name it has shown no certificate. */
export interface AuthorizedPeer {
  readonly spiffeId?: string;
  /** URI names of the certificate, where they are not one SPIFFE ID. */
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  /** Default 192.0.2.1. */
  readonly address?: string;
  /** The client's, over trusted proxies. Default `address`. */
  readonly remoteAddress?: string;
  /** Address that it connected to. Default 192.0.2.2. */
  readonly localAddress?: string;
  /** SNI. */
  readonly serverName?: string;
  /** Default: whether it has shown a certificate. */
  readonly isTls?: boolean;
}

/** What Node's server would give for the request. */
export function inboundRequestOf({ method = 'GET', path = '/', host, headers }: AuthorizedRequest): InboundRequest {
  const pairs = headerPairs(headers);
  const rawHeaders = (host === undefined ? pairs : [['Host', host] as const, ...pairs]).flat();
  return { method, url: path, httpVersionMajor: 1, headers: {}, rawHeaders, socket: {} };
}

/** The connection that the request is on. */
export function connectionOf(peer: AuthorizedPeer, port: number): InboundConnection {
  const { address = '192.0.2.1', localAddress = '192.0.2.2', serverName } = peer;
  const identity = identityOf(peer);
  return {
    isTls: peer.isTls ?? identity !== undefined,
    protocol: 'http/1.1',
    serverName,
    offeredAlpn: [],
    directAddress: address,
    peerAddress: address,
    localAddress,
    localPort: port,
    peer: inboundPeer(identity, address),
    identity,
    certificate: undefined,
  };
}

/** What rules look at; `path` and `authority` in their normalised form. */
export function accessRequestOf(
  request: InboundRequest,
  connection: InboundConnection,
  facts: Pick<AccessRequest, 'path' | 'pathSpelling' | 'refusingSpelling' | 'authority' | 'remoteAddress' | 'tokens'>,
): AccessRequest {
  const { rawHeaders, method = '' } = request;
  const { path } = facts;
  const named = facts.tokens.find(({ issuer, subject }) => issuer !== undefined && subject !== undefined);
  return {
    ...facts,
    method,
    pathOnly: path.split('?', 1)[0]!,
    scheme: connection.isTls ? 'https' : 'http',
    connection,
    requestPrincipal: named && `${named.issuer}/${named.subject}`,
    header(name) {
      if (name === ':method') return method;
      if (name === ':path') return path;
      if (name === ':scheme') return this.scheme;
      const values = valuesOf(rawHeaders, name === ':authority' ? 'host' : name);
      return values.length < 2 ? values[0] : values;
    },
  };
}

function valuesOf(rawHeaders: readonly string[], name: string): readonly string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === name);
}

/** Undefined = no certificate. A `spiffe:` URI among others, or one that is no SPIFFE ID, proves nothing. */
function identityOf({
  spiffeId,
  uris = spiffeId === undefined ? [] : [spiffeId],
  dnsNames = [],
}: AuthorizedPeer): PeerIdentity | undefined {
  if (uris.length === 0 && dnsNames.length === 0) return undefined;
  const names = { uris, dnsNames, ipAddresses: [], emails: [] };
  if (!uris.some(hasSpiffeScheme)) return names;
  const problem =
    uris.length === 1 ? spiffeIdProblem(uris[0]!) : `it has ${uris.length} URI names where an X.509-SVID has exactly one`;
  if (problem !== undefined) return { ...names, svidProblem: problem };
  return { ...names, spiffeId: uris[0]!, trustDomain: parseSpiffeId(uris[0]!).trustDomain };
}
