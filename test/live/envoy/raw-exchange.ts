import { connect } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';

/** Where and how a request is sent. */
export interface RawTarget {
  readonly port: number;
  /** Address that it comes from. */
  readonly source: string;
  /** Undefined = plaintext. */
  readonly tls?: { readonly context: SecureContext; readonly serverName: string };
}

/** The head of a response. */
export interface RawAnswer {
  /** 0 = the connection ended without one. */
  readonly status: number;
  readonly head: string;
}

/** Sends these bytes on a connection of its own and reads the head of the response: no client library tidies them up. */
export function rawExchange({ port, source, tls }: RawTarget, bytes: string): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const address = { host: '127.0.0.1', port, localAddress: source };
    const socket =
      tls === undefined
        ? connect(address)
        : connectTls({ ...address, secureContext: tls.context, servername: tls.serverName, rejectUnauthorized: false });
    let head = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      head += chunk;
      if (head.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head }));
    socket.write(bytes, 'latin1');
  });
}
