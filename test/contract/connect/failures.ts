/** What servers do wrong, below the messages. The codes that a client sees must be those that connect-node gives, or better ones, with the reason. */
import { once } from 'node:events';
import { constants, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';

/** A server's behaviour, and what is seen of it. */
export interface ServerFailure {
  readonly name: string;
  /** Kind of call that it is tried with. */
  readonly call: 'say' | 'down';
  serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void;
  /** Codes where they differ, and why. */
  readonly differs?: { readonly plain: string; readonly mesh: string; readonly because: string };
}

const message = Buffer.from(toBinary(StringValueSchema, create(StringValueSchema, { value: 'one' })));
const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);

/** A head that is right for the call, and one message. */
function begin(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.respond({ ':status': 200, 'content-type': headers['content-type'] });
  stream.write(frame);
}

const reset = ([code, name, differs]: Reset): ServerFailure => ({
  name: `reset-${name}`,
  call: 'say',
  serve: (stream) => stream.close(code),
  ...(differs !== undefined && { differs }),
});

const resetHalfway = ([code, name, differs]: Reset): ServerFailure => ({
  name: `reset-halfway-${name}`,
  call: 'down',
  serve(stream, headers) {
    stream.respond({ ':status': 200, 'content-type': headers['content-type'] }, { waitForTrailers: true });
    // Neither END_STREAM nor trailers, which Node would send first.
    stream.on('wantTrailers', () => stream.close(code));
    stream.end(frame);
  },
  ...(differs !== undefined && { differs }),
});

const answers = (status: number): ServerFailure => ({
  name: `answers-${status}`,
  call: 'say',
  serve(stream) {
    stream.respond({ ':status': status, 'content-type': 'text/plain' });
    stream.end('no');
  },
});

type Reset = readonly [code: number, name: string, differs?: ServerFailure['differs']];

const errorFirst = 'connect-node means to give this code, but Node tells it of an error before it tells the code of the reset';
const brokenOff =
  'gRPC: a call whose connection broke is UNAVAILABLE; CANCELED is what Node resets the streams of a dead session with';

const resets: readonly Reset[] = [
  [constants.NGHTTP2_PROTOCOL_ERROR, 'protocol-error'],
  [constants.NGHTTP2_INTERNAL_ERROR, 'internal-error'],
  [constants.NGHTTP2_REFUSED_STREAM, 'refused-stream', { plain: 'Internal', mesh: 'Unavailable', because: errorFirst }],
  [constants.NGHTTP2_CANCEL, 'cancel'],
  [
    constants.NGHTTP2_ENHANCE_YOUR_CALM,
    'enhance-your-calm',
    { plain: 'Internal', mesh: 'ResourceExhausted', because: errorFirst },
  ],
  [
    constants.NGHTTP2_INADEQUATE_SECURITY,
    'inadequate-security',
    { plain: 'Internal', mesh: 'PermissionDenied', because: errorFirst },
  ],
];

/** The table. */
export const failures: readonly ServerFailure[] = [
  ...[400, 401, 403, 404, 408, 429, 500, 502, 503, 504].map(answers),
  ...resets.map(reset),
  ...resets.map(resetHalfway),
  {
    name: 'breaks-off-the-connection',
    call: 'say',
    serve: (stream) => stream.session!.destroy(),
    differs: { plain: 'Canceled', mesh: 'Unavailable', because: brokenOff },
  },
  {
    name: 'breaks-off-the-connection-halfway',
    call: 'down',
    serve(stream, headers) {
      begin(stream, headers);
      setImmediate(() => stream.session!.destroy());
    },
    differs: { plain: 'Canceled', mesh: 'Unavailable', because: brokenOff },
  },
  {
    name: 'goes-away-in-anger-halfway',
    call: 'down',
    serve(stream, headers) {
      begin(stream, headers);
      setImmediate(() => stream.session!.destroy(new Error('too much'), constants.NGHTTP2_ENHANCE_YOUR_CALM));
    },
    differs: { plain: 'Internal', mesh: 'Unavailable', because: 'gRPC: a call whose connection broke is UNAVAILABLE' },
  },
  {
    name: 'ends-without-trailers',
    call: 'down',
    serve(stream, headers) {
      begin(stream, headers);
      stream.end();
    },
  },
  {
    name: 'ends-within-a-message',
    call: 'down',
    serve(stream, headers) {
      begin(stream, headers);
      stream.end(frame.subarray(0, 7));
    },
  },
  {
    name: 'answers-with-another-type',
    call: 'down',
    serve(stream) {
      stream.respond({ ':status': 200, 'content-type': 'text/html' });
      stream.end('<html>');
    },
  },
];

/** A server that does so with every request. */
export async function startFailing(
  failure: ServerFailure,
): Promise<{ readonly address: string; readonly requests: () => number }> {
  const server = createServer();
  let requests = 0;
  server.on('session', (session) => session.on('error', () => {}));
  server.on('stream', (stream, headers) => {
    requests++;
    stream.on('error', () => {});
    stream.resume();
    stream.on('end', () => failure.serve(stream, headers));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => server.close());
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests: () => requests };
}
