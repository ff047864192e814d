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
