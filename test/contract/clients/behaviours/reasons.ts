/** Reasons that several behaviours share. */
import type { NotFor } from '../behaviour.ts';

/** Of gRPC, whose calls differ in their path alone. */
export const onlyPosts = 'Every call of gRPC is a POST.';
/** Of WebSockets. */
export const onlyGets: NotFor = { websocket: 'Every handshake is a GET.' };
/** Of RPC. */
export const noQuery: NotFor = { rpc: 'A method of RPC has no query.' };
/** Of the WebSocket of the web. */
export const hidesHandshake: NotFor = { WebSocket: 'The WebSocket of the web shows no headers of its handshake.' };
/** Of gRPC, by gRFC A6. */
export const alwaysRepeatable: NotFor = {
  'grpc-js': 'gRPC repeats calls of every method where the policy names the status (gRFC A6).',
  'Connect (gRPC)': 'gRPC repeats calls of every method where the policy names the status (gRFC A6).',
};
/** Of WebSockets. */
export const handshakeOnce: NotFor = {
  websocket: 'A handshake that has reached an endpoint may have opened its socket, and is not repeated; one that has not, is.',
};
/** Of WebSockets. */
export const ownSocket: NotFor = {
  websocket: 'Once it is accepted, the socket is the program’s own: the limits of a response end with the handshake.',
};
/** Of fetch, and of handlers that pass trailers over. */
export const noTrailers: NotFor = {
  meshFetch: 'fetch shows no trailers.',
  'axios (fetch)': 'fetch shows no trailers.',
  ky: 'fetch shows no trailers.',
  axios: 'axios shows no trailers but on the stream of node:http.',
  'AWS SDK': 'The handler shows no trailers.',
  websocket: 'A WebSocket has no trailers.',
};
