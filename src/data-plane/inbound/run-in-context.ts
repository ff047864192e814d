/**
 * Runs the handler on behalf of its request: what it starts inherits the deadline, the criticality, the headers to hand on and the span.
 * Node emits the events of a request and its response in the context of their connection, so that those are brought along: a program that
 * waits for `end` before it calls on inherits as any other, and one that waits for `close` logs in its trace. A connection that has left
 * HTTP is on its own: it outlives every deadline, and what comes over it is said on behalf of nothing.
 */
import { AsyncResource } from 'node:async_hooks';
import { runWithoutRequest, runWithRequest, type RequestContext } from '../../base/request-context.ts';
import type { ServerSpan } from '../../telemetry/server-span.ts';
import type { AccessRequest } from './access-request.ts';
import { Exchange } from './exchange.ts';

type Emit = (this: unknown, event: unknown, ...values: unknown[]) => boolean;

/** Gives the verdict that lets the request in. Throws what the handler throws. */
export function runInContext(exchange: Exchange): void {
  const { span } = exchange;
  const context = saysNothing(exchange.context) ? undefined : exchange.context;
  const tracing = span?.context === undefined ? undefined : span;
  if (context === undefined && tracing === undefined) exchange.answer(undefined);
  else
    inContext(context, tracing, () => {
      // Entering it again costs little; making it anew for each event took more time than all rules together.
      const within = new AsyncResource('MESHFETCH_REQUEST', { requireManualDestroy: true });
      bindEvents(exchange.request, within);
      bindEvents(exchange.response, within);
      exchange.answer(undefined);
    });
  // The handler has said by now whether it knows the method.
  span?.grpc?.begin();
}

/**
 * Asks others whether the request may come in: in its trace, but with nothing that its caller said of it. A deadline of the caller's would
 * let it end the check.
 */
export function askOnBehalfOf(request: AccessRequest, ask: () => void): void {
  const span = request instanceof Exchange ? request.span : undefined;
  if (span === undefined) runWithoutRequest(ask);
  else span.run(() => runWithoutRequest(ask));
}

function bindEvents(of: object, within: AsyncResource): void {
  const emitter = of as { emit?: Emit };
  const { emit } = emitter;
  if (emit === undefined) return;
  emitter.emit = function (this: unknown, event: unknown, ...values: unknown[]): boolean {
    return within.runInAsyncScope(emit, this, event, ...values);
  };
}

function inContext(context: RequestContext | undefined, span: ServerSpan | undefined, work: () => void): void {
  const inner = context === undefined ? work : () => runWithRequest(context, work);
  if (span === undefined) inner();
  else span.run(inner);
}

/** Whether requests made on its behalf would be sent as they are without it. */
function saysNothing(context: RequestContext | undefined): boolean {
  return (
    context === undefined ||
    (context.deadlineMs === undefined &&
      context.criticality === undefined &&
      context.attempt === undefined &&
      context.headers === undefined)
  );
}
