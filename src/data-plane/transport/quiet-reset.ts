import { constants, type ClientHttp2Stream } from 'node:http2';

/**
 * The reset that a response ended with, where Node makes no error of it: RST_STREAM(CANCEL) looks like the end of the stream to who
 * listens to its events alone. Trailers are the end of a response, whatever comes after them (RFC 9113 section 8.1).
 */
export function quietReset(stream: ClientHttp2Stream, trailers: object): Error | undefined {
  const { rstCode } = stream;
  if (rstCode === undefined || rstCode === constants.NGHTTP2_NO_ERROR) return undefined;
  for (const _ in trailers) return undefined;
  return resetError(rstCode);
}

/** The failure of a response that has not begun, with the code of its reset: of a stream that ends so undici says only that it is closed. */
export function withResetCode(stream: ClientHttp2Stream, failure: Error): Error {
  const { rstCode } = stream;
  const isUnsaid =
    failure.message.startsWith('HTTP/2: stream closed') || failure.message.startsWith('HTTP/2: stream half-closed');
  return isUnsaid && rstCode !== undefined && rstCode !== constants.NGHTTP2_NO_ERROR ? resetError(rstCode) : failure;
}

function resetError(code: number): Error {
  const error = new Error(`the endpoint reset the stream with code ${code}`);
  // As undici marks the errors that Node makes of other codes.
  return Object.assign(error, { code: 'ERR_HTTP2_STREAM_ERROR', http2ErrorCode: code });
}
