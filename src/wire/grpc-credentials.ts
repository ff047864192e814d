/**
 * How a gRPC channel gets from a TCP connection to one that it may speak on. Written here and not taken from the library for two
 * reasons: certificates are checked by whatever the caller says (a SPIFFE ID, names of a control plane), and a connection must not
 * keep the process alive, which the library sees to only between calls.
 */
import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js';
import type { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';

/** TLS of a channel; texts are PEM. */
export interface GrpcTls {
  /** Certificates of authorities that are trusted. Absent = those that Node trusts. */
  readonly roots?: string;
  /** Where the roots were read, for errors. */
  readonly rootsFile?: string;
  /** Asked for by SNI, looked for in the certificate, and sent as `:authority`. Default: the host of the address. */
  readonly serverName?: string;
  readonly certificateChain?: string;
  /** Revealed by the caller. */
  readonly privateKey?: string;
  /** Says why the server is not the right one, in place of the check of its name. The chain is verified in any case. */
  readonly checkPeer?: (certificate: X509Certificate) => string | undefined;
}

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/** Credentials of a channel to `host`. */
export function grpcCredentials(host: string, tls: GrpcTls | undefined): ChannelCredentials {
  return new Credentials(tls === undefined ? undefined : { host, tls });
}

class Credentials extends ChannelCredentials {
  private readonly secure: { readonly host: string; readonly tls: GrpcTls } | undefined;
  constructor(secure: { readonly host: string; readonly tls: GrpcTls } | undefined) {
    super();
    this.secure = secure;
  }
  override _isSecure(): boolean {
    return this.secure !== undefined;
  }
  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }
  override _createSecureConnector(): Connector {
    const { secure } = this;
    return {
      connect: async (socket) => {
        const ready = secure === undefined ? socket : await handshake(socket, secure.host, secure.tls);
        return { socket: idle(ready), secure: secure !== undefined };
      },
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }
}

/** The HTTP/2 session refs its socket for each call; a stream of configuration lasts for ever and must not hold the process. */
function idle(socket: Socket): Socket {
  socket.unref();
  socket.ref = () => socket;
  return socket;
}

function handshake(socket: Socket, host: string, tls: GrpcTls): Promise<TLSSocket> {
  const { checkPeer } = tls;
  const name = tls.serverName ?? host;
  // Said here, so that neither NODE_TLS_REJECT_UNAUTHORIZED nor an option of Node takes anything away: tokens go over this.
  const options: ConnectionOptions = {
    socket,
    host: name,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  };
  if (isIP(name) === 0) options.servername = name;
  if (tls.roots !== undefined) options.ca = tls.roots;
  if (tls.certificateChain !== undefined) options.cert = tls.certificateChain;
  if (tls.privateKey !== undefined) options.key = tls.privateKey;
  if (checkPeer !== undefined) options.checkServerIdentity = () => undefined;
  return new Promise((resolve, reject) => {
    const secured = connectTls(options);
    secured.once('error', reject);
    secured.once('close', () => reject(new Error('the server closed the connection during the TLS handshake')));
    secured.once('secureConnect', () => {
      const certificate = secured.getPeerX509Certificate();
      const refusal = !secured.authorized || certificate === undefined ? 'it is not verified' : checkPeer?.(certificate);
      if (refusal === undefined) resolve(secured);
      else secured.destroy(new Error(`the certificate of the server is refused: ${refusal}`));
    });
  });
}
