/**
 * Runs the handler on behalf of its request: what it starts inherits the deadline, the criticality, the headers to hand on and the span.
 * Node emits the events of a request in the context of its connection, so that those are brought along: a program that waits for `end`
 * before it calls on inherits as any other.
 */
import { runWithRequest, type RequestContext } from '../../base/request-context.ts';
import type { ServerSpan } from '../../telemetry/server-span.ts';
import type { Exchange } from './exchange.ts';

type Emit = (this: unknown, event: unknown, ...values: unknown[]) => boolean;

/** Gives the verdict that lets the request in. Throws what the handler throws. */
export function runInContext(exchange: Exchange): void {
  const { span } = exchange;
  const context = saysNothing(exchange.context) ? undefined : exchange.context;
  const tracing = span?.context === undefined ? undefined : span;
  if (context === undefined && tracing === undefined) {
    exchange.answer(undefined);
    return;
  }
  const request = exchange.request as { emit?: Emit };
  const { emit } = request;
  if (emit !== undefined)
    request.emit = function (this: unknown, event: unknown, ...values: unknown[]): boolean {
      return inContext(context, tracing, () => emit.call(this, event, ...values));
    };
  inContext(context, tracing, () => exchange.answer(undefined));
}

function inContext<T>(context: RequestContext | undefined, span: ServerSpan | undefined, work: () => T): T {
  if (span === undefined) return context === undefined ? work() : runWithRequest(context, work);
  let result!: T;
  span.run(() => {
    result = context === undefined ? work() : runWithRequest(context, work);
  });
  return result;
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
