import { buffer } from 'node:stream/consumers';
import { breakOff, doesNotAnswer, watch, writeAll, type ActFor, type Note } from './answer-http.ts';
import { readMessages } from './answer-grpc.ts';
import type { SeenRequest } from './act.ts';
import { codeFromStatus, connectCodes, decodeMessage, encodeMessage, frameOf } from './messages.ts';
import type { ServerAnswer, ServerRequest } from './upstream.ts';

/** Does with a call of the Connect protocol what its act says. Source: connectrpc.com/docs/protocol. */
export async function answerConnect(request: ServerRequest, response: ServerAnswer, note: Note, actFor: ActFor): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  promise.catch(() => {});
  const seen = note(request, promise);
  const isStream = request.headers['content-type']?.startsWith('application/connect+') === true;
  void (isStream ? readMessages(request, seen) : readUnary(request, seen)).then(resolve, reject);
  watch(response, seen);
  const act = await actFor(seen);
  if (doesNotAnswer(act, request, response)) return;
  const status = act.status ?? 200;
  const problem = { code: connectCodes[codeFromStatus(status)], message: 'as scripted' };
  for (const [name, value] of Object.entries(act.headers ?? {})) response.setHeader(name, value);
  if (isStream) {
    response.writeHead(200, { 'content-type': 'application/connect+proto' });
    if (status === 200 && act.breaksOff !== undefined)
      return void response.write(frameOf(Buffer.alloc(1000)).subarray(0, 500), () => breakOff(request, response));
    const encode = (message: Buffer): Buffer => frameOf(encodeMessage(message));
    if (act.messages !== undefined) await writeAll(response, seen, act.messages, encode);
    else if (status === 200) response.write(encode(Buffer.from(act.body!)));
    const metadata = Object.fromEntries(Object.entries(act.trailers ?? {}).map(([name, value]) => [name, [value]]));
    response.end(frameOf(Buffer.from(JSON.stringify({ metadata, ...(status !== 200 && { error: problem }) })), 2));
    return;
  }
  for (const [name, value] of Object.entries(act.trailers ?? {})) response.setHeader(`trailer-${name}`, value);
  const body = status === 200 ? encodeMessage(Buffer.from(act.body!)) : Buffer.from(JSON.stringify(problem));
  response.writeHead(status, { 'content-type': status === 200 ? 'application/proto' : 'application/json' });
  if (act.breaksOff === 'in-body') response.write(body.subarray(0, 1), () => breakOff(request, response));
  else response.end(body);
}

/** The message of a request, which a GET has in its query. */
async function readUnary(request: ServerRequest, seen: SeenRequest): Promise<Buffer> {
  const query = new URL(request.url ?? '/', 'http://upstream').searchParams.get('message');
  const message = decodeMessage(query === null ? await buffer(request) : Buffer.from(query, 'base64url'));
  seen.received = message.length;
  return message;
}
