import { createContextKey, trace, type Context, type Span } from '@opentelemetry/api';

/** What whoever makes the SERVER span of a request leaves in its context; frameworks write the route there. */
export interface RpcMetadata {
  readonly type: 'http';
  readonly span: Span;
  route?: string;
}

/** The name by which all copies of @opentelemetry/core find it (`createContextKey` is `Symbol.for`). */
export const rpcMetadataKey = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA');

/** What an instrumentation that made the SERVER span of this request left in its context. */
export function rpcMetadataOf(active: Context): RpcMetadata | undefined {
  const found = active.getValue(rpcMetadataKey) as RpcMetadata | undefined;
  if (found?.type !== 'http') return undefined;
  // Frameworks and middleware put spans of their own below it; one of another trace belongs to something else.
  const inner = trace.getSpan(active)?.spanContext().traceId;
  return inner === undefined || inner === found.span.spanContext().traceId ? found : undefined;
}
