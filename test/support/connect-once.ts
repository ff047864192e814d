import type { Socket } from 'node:net';

import type { Connector } from '../../src/data-plane/transport/connect.ts';
import { ConnectError, type ConnectFailure } from '../../src/data-plane/transport/connect-error.ts';

export interface ConnectOutcome {
  readonly kind: ConnectFailure | 'connected';
  readonly error?: ConnectError;
  readonly socket?: Socket;
}

/** Connects as an undici Client for `http://<host>` does. The socket of a connection that is not kept is destroyed. */
export function connectOnce(connector: Connector, options: { host?: string; keep?: boolean } = {}): Promise<ConnectOutcome> {
  const hostname = options.host ?? 'orders';
  return new Promise((resolve, reject) => {
    connector({ hostname, host: hostname, protocol: 'http:', port: '' }, (error, socket) => {
      if (socket !== null) {
        if (options.keep !== true) socket.destroy();
        resolve({ kind: 'connected', socket });
      } else if (error instanceof ConnectError) {
        resolve({ kind: error.kind, error });
      } else {
        reject(error);
      }
    });
  });
}
