import type { InboundRequest } from '../../model/inbound.ts';

/** Node's object of a request: Express's is that object, Fastify's has it as `raw`. */
export function nodeRequest(request: InboundRequest | { readonly raw: InboundRequest }): InboundRequest {
  return 'raw' in request ? request.raw : request;
}
