/** Servers that answer as no server of gRPC should, or break off: scripts over HTTP/2, and what a program sees of each. */
import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { deflateSync, gzipSync } from 'node:zlib';
import { answerTrailersOnly, answerWith, beginAnswer, framed, framedAsCompressed } from '../../support/grpc-exchange.ts';

/** What one stream gets, and the code that the call ends with. */
export interface Failure {
  readonly name: string;
  readonly answer: (stream: ServerHttp2Stream) => void;
  /** grpc-js alone and through the mesh; undefined where grpc-js gives none. */
  readonly code: number | undefined;
  /** Through the mesh, where another one is right. */
  readonly meshCode?: number;
  /** Why it is another one. */
  readonly why?: string;
  /** The mesh says the same words as grpc-js. */
  readonly sameWords?: true;
  /** Messages that the program gets before. */
  readonly messages?: number;
}

const html = { ':status': 503, 'content-type': 'text/html' };

/** After metadata and one message. */
function afterMessage(stream: ServerHttp2Stream, next: () => void): void {
  beginAnswer(stream);
  stream.write(framed('first'), () => setTimeout(next, 20));
}

function resetWith(code: number): Pick<Failure, 'answer'> {
  return { answer: (stream) => stream.close(code) };
}

function resetAfterMessage(code: number): Pick<Failure, 'answer' | 'messages'> {
  return {
    messages: 1,
    answer: (stream) =>
      afterMessage(stream, () => {
        stream.close(code);
      }),
  };
}

/** Messages in an encoding, of which the frames say that they are compressed. */
function compressedAs(encoding: string | undefined, ...messages: readonly Buffer[]): Pick<Failure, 'answer'> {
  return {
    answer: (stream) => {
      beginAnswer(stream, 0, encoding === undefined ? {} : { 'grpc-encoding': encoding, 'grpc-accept-encoding': encoding });
      for (const message of messages) stream.write(framedAsCompressed(message));
      stream.end();
    },
  };
}

export const failures: readonly Failure[] = [
  { name: 'compressed-with-gzip', code: 0, sameWords: true, messages: 2, ...compressedAs('gzip', gzipSync('a'), gzipSync('b')) },
  { name: 'compressed-with-deflate', code: 0, sameWords: true, messages: 1, ...compressedAs('deflate', deflateSync('a')) },
  {
    name: 'encoding-that-its-messages-do-not-use',
    code: 0,
    sameWords: true,
    messages: 1,
    answer: (stream) => {
      beginAnswer(stream, 0, { 'grpc-encoding': 'gzip' });
      stream.end(framed('plain'));
    },
  },
  {
    name: 'encoding-identity',
    code: 0,
    sameWords: true,
    messages: 1,
    answer: (stream) => {
      beginAnswer(stream, 0, { 'grpc-encoding': 'identity', 'grpc-accept-encoding': 'identity,gzip' });
      stream.end(framed('plain'));
    },
  },
  { name: 'compressed-without-an-encoding', code: undefined, sameWords: true, ...compressedAs(undefined, gzipSync('a')) },
  { name: 'compressed-with-something-unknown', code: undefined, sameWords: true, ...compressedAs('br', gzipSync('a')) },
  { name: 'compressed-badly', code: 13, sameWords: true, ...compressedAs('gzip', Buffer.from('no gzip at all')) },
  {
    name: 'trailers-only',
    code: 7,
    sameWords: true,
    answer: (stream) => answerTrailersOnly(stream, 7, { 'grpc-message': 'not%20you' }),
  },
  { name: 'trailers-only-ok', code: 0, sameWords: true, answer: (stream) => answerTrailersOnly(stream, 0) },
  {
    name: 'trailers-without-data',
    code: 5,
    sameWords: true,
    answer: (stream) => answerWith(stream, [], 5, { 'grpc-message': 'none' }),
  },
  { name: 'status-that-does-not-exist', code: 99, sameWords: true, answer: (stream) => answerWith(stream, [], 99) },
  ...[400, 401, 403, 404, 429, 500, 502, 503, 504].map((http) => ({
    name: `http-${http}-without-a-body`,
    code: { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 }[http] ?? 2,
    sameWords: true as const,
    answer: (stream: ServerHttp2Stream) => stream.respond({ ':status': http }, { endStream: true }),
  })),
  {
    name: 'http-503-with-a-page',
    code: 14,
    sameWords: true,
    answer: (stream) => {
      stream.respond(html);
      stream.end('<html><body>The service is away for a while</body></html>');
    },
  },
  {
    name: 'http-503-with-a-short-page',
    code: 14,
    sameWords: true,
    answer: (stream) => {
      stream.respond(html);
      stream.end('503');
    },
  },
  {
    name: 'http-200-without-a-status',
    code: 13,
    sameWords: true,
    messages: 1,
    answer: (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.end(framed('message'));
    },
  },
  {
    name: 'trailers-without-a-status',
    code: 2,
    sameWords: true,
    answer: (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-other': '1' }));
      stream.end();
    },
  },
  {
    name: 'message-that-is-cut-short',
    code: 0,
    sameWords: true,
    answer: (stream) => {
      beginAnswer(stream);
      stream.end(framed('message').subarray(0, 8));
    },
  },
  {
    name: 'message-longer-than-the-limit',
    code: 8,
    sameWords: true,
    answer: (stream) => {
      beginAnswer(stream);
      stream.write(Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]));
    },
  },
  {
    name: 'message-in-single-bytes',
    code: 0,
    sameWords: true,
    messages: 2,
    answer: (stream) => {
      beginAnswer(stream);
      const bytes = Buffer.concat([framed('drip'), framed('drop')]);
      let at = 0;
      const drip = (): void => {
        if (at === bytes.length) stream.end();
        else stream.write(bytes.subarray(at, ++at), () => setImmediate(drip));
      };
      drip();
    },
  },
  { name: 'reset-cancel', code: 1, ...resetWith(constants.NGHTTP2_CANCEL) },
  { name: 'reset-internal-error', code: 13, ...resetWith(constants.NGHTTP2_INTERNAL_ERROR) },
  { name: 'reset-protocol-error', code: 13, ...resetWith(constants.NGHTTP2_PROTOCOL_ERROR) },
  { name: 'reset-refused-stream', code: 14, ...resetWith(constants.NGHTTP2_REFUSED_STREAM) },
  { name: 'reset-enhance-your-calm', code: 8, ...resetWith(constants.NGHTTP2_ENHANCE_YOUR_CALM) },
  { name: 'reset-inadequate-security', code: 7, ...resetWith(constants.NGHTTP2_INADEQUATE_SECURITY) },
  {
    name: 'reset-no-error',
    code: 13,
    meshCode: 14,
    why: 'undici says that the stream was closed, and a connection that ends in good order looks the same',
    ...resetWith(constants.NGHTTP2_NO_ERROR),
  },
  { name: 'reset-cancel-after-a-message', code: 1, ...resetAfterMessage(constants.NGHTTP2_CANCEL) },
  { name: 'reset-internal-error-after-a-message', code: 13, ...resetAfterMessage(constants.NGHTTP2_INTERNAL_ERROR) },
  { name: 'reset-enhance-your-calm-after-a-message', code: 8, ...resetAfterMessage(constants.NGHTTP2_ENHANCE_YOUR_CALM) },
  { name: 'connection-lost-at-once', code: 14, answer: (stream) => stream.session!.destroy() },
  { name: 'socket-reset-at-once', code: 14, answer: (stream) => void stream.session!.socket.destroy() },
  {
    name: 'connection-lost-after-a-message',
    code: 14,
    messages: 1,
    answer: (stream) => afterMessage(stream, () => stream.session!.destroy()),
  },
  {
    name: 'goaway-and-the-end-of-the-stream',
    code: 0,
    sameWords: true,
    messages: 2,
    answer: (stream) =>
      afterMessage(stream, () => {
        stream.session!.goaway(constants.NGHTTP2_NO_ERROR);
        setTimeout(() => stream.end(framed('second')), 20);
      }),
  },
  {
    name: 'goaway-and-no-more',
    code: 14,
    messages: 1,
    answer: (stream) =>
      afterMessage(stream, () => {
        stream.session!.goaway(constants.NGHTTP2_NO_ERROR);
        setTimeout(() => stream.session?.destroy(), 20);
      }),
  },
  {
    name: 'goaway-with-an-error',
    code: 13,
    meshCode: 14,
    why: 'the connection is lost, as without the error; grpc-js takes the error of its session for one of its own',
    messages: 1,
    answer: (stream) =>
      afterMessage(stream, () => {
        stream.session!.goaway(constants.NGHTTP2_INTERNAL_ERROR);
        setTimeout(() => stream.session?.destroy(), 20);
      }),
  },
];
