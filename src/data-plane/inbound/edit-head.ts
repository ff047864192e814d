import type { Exchange } from './exchange.ts';
import type { InboundParts } from './inbound-parts.ts';
import { speaksGrpc } from './refusal.ts';
import { addToResponse, applyResponseEdit, beforeHead, type ResponseHead } from './response-head.ts';

/**
 * Sees to it that the head of the response says what the policy wants said, whoever answers: the edits of the route, the `server` header,
 * what an authorizer or CORS adds, how busy this process is. Nothing is done where nobody wants anything.
 */
export function editHead(exchange: Exchange, parts: InboundParts): void {
  if (exchange.hasHead) return;
  const { config, admission } = exchange.chain;
  const isWanted =
    config.serverHeader !== undefined ||
    config.loadReport === true ||
    admission !== undefined ||
    exchange.addedHeaders !== undefined ||
    exchange.route?.responseEdit !== undefined;
  if (!isWanted) return;
  exchange.hasHead = true;
  beforeHead(exchange.response, (response) => edit(exchange, parts, response));
}

function edit(exchange: Exchange, parts: InboundParts, response: ResponseHead): void {
  exchange.headMs = parts.clock.now();
  const { config } = exchange.chain;
  if (exchange.addedHeaders !== undefined) addToResponse(exchange.addedHeaders, response);
  const routeEdit = exchange.route?.responseEdit;
  if (routeEdit !== undefined) applyResponseEdit(routeEdit, response);
  if (config.serverHeader !== undefined) response.setHeader('server', config.serverHeader);
  if (config.loadReport === true) parts.loadMeter.tell(response, speaksGrpc(exchange.request));
}
