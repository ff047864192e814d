/** Streams that an endpoint reset, to clients of gRPC and of Connect. */
import { constants } from 'node:http2';
import type { MeshError } from '../base/errors.ts';

const statuses: Readonly<Record<number, number>> = {
  [constants.NGHTTP2_REFUSED_STREAM]: 14,
  [constants.NGHTTP2_CANCEL]: 1,
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: 8,
  [constants.NGHTTP2_INADEQUATE_SECURITY]: 7,
};

/** The gRPC status that a code of RST_STREAM stands for; INTERNAL for all others. Source: gRPC over HTTP/2, "Errors". */
export function statusOfReset(code: number): number {
  return statuses[code] ?? 13;
}

/** The code of RST_STREAM that the endpoint ended the stream with; undefined where a connection broke, or nothing was sent. */
export function resetCodeOf({ cause }: MeshError): number | undefined {
  // undici leaves the code there.
  const { code, http2ErrorCode } = (cause ?? {}) as { readonly code?: string; readonly http2ErrorCode?: number };
  return code === 'ERR_HTTP2_STREAM_ERROR' ? http2ErrorCode : undefined;
}
