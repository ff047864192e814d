import { connectClient, connectGrpcClient } from './adapters/connect-clients.ts';
import { axiosFetchClient, kyClient, meshFetchClient } from './adapters/fetch-clients.ts';
import { undiciClient } from './adapters/undici-client.ts';
import { webSocketClient } from './adapters/websocket-clients.ts';
import type { Client } from './client.ts';

/** Every client that is held to the table. */
export const clients: readonly Client[] = [
  meshFetchClient,
  undiciClient,
  axiosFetchClient,
  kyClient,
  connectClient,
  connectGrpcClient,
  webSocketClient,
];
