/** Streams that an endpoint reset, to clients of gRPC and of Connect. */
import type { MeshError } from '../base/errors.ts';

/** The code of RST_STREAM that the endpoint ended the stream with; undefined where a connection broke, or nothing was sent. */
export function resetCodeOf({ cause }: MeshError): number | undefined {
  // undici leaves the code there.
  const { code, http2ErrorCode } = (cause ?? {}) as { readonly code?: string; readonly http2ErrorCode?: number };
  return code === 'ERR_HTTP2_STREAM_ERROR' ? http2ErrorCode : undefined;
}
