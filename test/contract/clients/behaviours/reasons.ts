/** Reasons that several behaviours share. */

export const onlyPosts = 'Every call of gRPC is a POST.';
export const onlyGets = { websocket: 'Every handshake is a GET.' };
export const noQuery = { rpc: 'A method of RPC has no query.' };
