import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { GrpcTransportOptions } from '@connectrpc/connect-node';
import type { Mesh } from '../../mesh-interface.ts';
import { checkMesh } from '../check-mesh.ts';
import { MeshStream } from './stream.ts';

/** What every transport of `@connectrpc/connect-node` over HTTP/2 takes. */
export type SessionManager = NonNullable<GrpcTransportOptions['sessionManager']>;

/**
 * What a transport of `@connectrpc/connect-node` takes as `sessionManager`: its requests go out through the mesh, whose policy they
 * meet as those of every other client do. `baseUrl` is that of the transport; its host names the service. Throws a TypeError where
 * it is no URL of http or https, or the mesh is none. Connections are the mesh's own: options of sessions (pings, idle times, `nodeOptions`) do nothing.
 */
export function meshSessionManager(mesh: Pick<Mesh, 'dispatcher'>, baseUrl: string | URL): SessionManager {
  checkMesh('meshSessionManager', mesh);
  const url = URL.parse(String(baseUrl));
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new TypeError(`"${String(baseUrl)}" is no URL of http: or https:; give that of the transport, as in "http://orders"`);
  const { origin } = url;
  return {
    authority: origin,
    request(method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
      // connect-node uses of it what MeshStream has.
      return Promise.resolve(new MeshStream(mesh.dispatcher, origin, method, path, headers) as unknown as ClientHttp2Stream);
    },
    // Says that the connection is alive, for the pings of a session that is not there.
    notifyResponseByteRead: () => {},
  };
}
