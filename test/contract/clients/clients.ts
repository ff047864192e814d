import { axiosClient, gotClient, nodeHttpClient } from './adapters/agent-clients.ts';
import { awsClient } from './adapters/aws-client.ts';
import { connectClient, connectGrpcClient } from './adapters/connect-clients.ts';
import { axiosFetchClient, kyClient, meshFetchClient } from './adapters/fetch-clients.ts';
import { grpcClient } from './adapters/grpc-client.ts';
import { undiciClient } from './adapters/undici-client.ts';
import { webSocketClient } from './adapters/websocket-clients.ts';
import { wsClient } from './adapters/ws-client.ts';
import type { Client } from './client.ts';

/** Every client that is held to the table. */
export const clients: readonly Client[] = [
  meshFetchClient,
  undiciClient,
  axiosClient,
  axiosFetchClient,
  gotClient,
  kyClient,
  nodeHttpClient,
  awsClient,
  grpcClient,
  connectClient,
  connectGrpcClient,
  webSocketClient,
  wsClient,
];
