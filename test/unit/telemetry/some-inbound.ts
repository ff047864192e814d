import type { InboundRefusal } from '../../../src/model/inbound.ts';
import type { ServerFacts } from '../../../src/telemetry/server-facts.ts';

/** The peer of {@link someInbound}. */
export const webPeer = {
  isAuthenticated: true,
  spiffeId: 'spiffe://mesh.example/ns/shop/sa/web',
  trustDomain: 'mesh.example',
  namespace: 'shop',
  serviceAccount: 'web',
  dnsNames: [],
  uris: ['spiffe://mesh.example/ns/shop/sa/web'],
  address: '192.0.2.9',
} as const;

/** GET /api/42?token=s3cret from `web` to port 8443 over TLS, or what `changes` make of it. */
export function someInbound(
  changes: Partial<ServerFacts> & { readonly headers?: Readonly<Record<string, string | readonly string[]>> } = {},
): ServerFacts {
  const { headers = {}, ...others } = changes;
  return {
    method: 'GET',
    scheme: 'https',
    authority: 'orders:8443',
    path: '/api/42?token=s3cret',
    pathOnly: '/api/42',
    remoteAddress: '198.51.100.4',
    connection: {
      protocol: 'h2',
      directAddress: '192.0.2.9',
      localAddress: '192.0.2.7',
      localPort: 8443,
      serverName: 'orders',
      peer: webPeer,
    },
    header: (name) => headers[name],
    ...others,
  };
}

/** What a rule answers with. */
export const someRefusal: InboundRefusal = {
  status: 403,
  headers: { 'content-type': 'text/plain' },
  body: 'RBAC: access denied',
  details: 'rbac_access_denied_matched_policy[readers]',
  flag: 'UAEX',
  grpcStatus: 7,
};
