import type { ExecutionContext } from '@nestjs/common';
import type { InboundRequest } from '../../model/inbound.ts';
import { upgradeOf } from '../guard-server.ts';

/** Whatever may have a request in it. */
interface Holder {
  readonly raw?: unknown;
  readonly req?: unknown;
  readonly request?: unknown;
  readonly reply?: { readonly request?: unknown };
  readonly extra?: { readonly request?: unknown };
  readonly _socket?: object;
}

/**
 * Node's object of the request that a handler serves; undefined where none is known. Of GraphQL it is in the context (`req` of Apollo,
 * `reply` of Mercurius, `extra` of subscriptions), of a gateway the one by which its client left HTTP (Socket.IO has it, `ws` the socket).
 */
export function nodeRequest(context: ExecutionContext): InboundRequest | undefined {
  switch (context.getType<string>()) {
    case 'http':
      return nodeObject(context.switchToHttp().getRequest<unknown>());
    case 'graphql': {
      const { req, request, reply, extra } = context.getArgByIndex<Holder | undefined>(2) ?? {};
      return nodeObject(req ?? request ?? reply?.request ?? extra?.request);
    }
    case 'ws': {
      const { request, _socket: socket } = context.switchToWs().getClient<Holder | undefined>() ?? {};
      return nodeObject(request ?? (socket && upgradeOf(socket)));
    }
    default:
      return undefined;
  }
}

/** Express's request is that object, Fastify's has it as `raw`. */
function nodeObject(request: unknown): InboundRequest | undefined {
  if (typeof request !== 'object' || request === null) return undefined;
  return ((request as Holder).raw ?? request) as InboundRequest;
}
