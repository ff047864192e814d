import type { Act, SeenRequest } from './act.ts';
import { breakOff, doesNotAnswer, watch, writeAll, type ActFor, type Note } from './answer-http.ts';
import { codeFromStatus, decodeMessage, encodeMessage, frameOf, framesOf } from './messages.ts';
import type { ServerAnswer, ServerRequest } from './upstream.ts';

/** Does with a call of gRPC over HTTP/2 what its act says: a failure is trailers-only, as gRPC servers send it. */
export async function answerGrpc(request: ServerRequest, response: ServerAnswer, note: Note, actFor: ActFor): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  promise.catch(() => {});
  const seen = note(request, promise);
  void readMessages(request, seen).then(resolve, reject);
  watch(response, seen);
  const act = await actFor(seen);
  if (doesNotAnswer(act, request, response)) return;
  const headers = { 'content-type': 'application/grpc', ...act.headers };
  const trailers = { 'grpc-status': String(codeFromStatus(act.status ?? 200)), 'grpc-message': 'as scripted', ...act.trailers };
  if ((act.status ?? 200) !== 200) {
    response.writeHead(200, { ...headers, ...trailers });
    response.end();
    return;
  }
  response.writeHead(200, headers);
  await writeMessages(request, response, seen, act);
  if (act.breaksOff !== undefined) return;
  response.addTrailers(trailers);
  response.end();
}

async function writeMessages(request: ServerRequest, response: ServerAnswer, seen: SeenRequest, act: Act): Promise<void> {
  const encode = (message: Buffer): Buffer => frameOf(encodeMessage(message));
  if (act.breaksOff === 'in-body')
    response.write(encode(Buffer.alloc(1000, 'x')).subarray(0, 500), () => breakOff(request, response));
  else if (act.messages !== undefined) await writeAll(response, seen, act.messages, encode);
  else response.write(encode(Buffer.from(act.body!)));
}

/** The messages of a request, one after another. */
export async function readMessages(request: ServerRequest, seen: SeenRequest): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const frame of framesOf(request as AsyncIterable<Buffer>)) {
    const message = decodeMessage(frame);
    seen.received += message.length;
    parts.push(message);
  }
  return Buffer.concat(parts);
}
