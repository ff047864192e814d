import { buffer } from 'node:stream/consumers';
import type { Act, SeenRequest } from './act.ts';
import type { ServerAnswer, ServerRequest } from './upstream.ts';

/** Notes a request; its body comes later. */
export type Note = (request: ServerRequest, body: Promise<Buffer>) => SeenRequest;
/** Says what to do with it, when it is to be done. */
export type ActFor = (seen: SeenRequest) => Promise<Act>;

/** Does with a plain request what its act says. */
export async function answerHttp(request: ServerRequest, response: ServerAnswer, note: Note, actFor: ActFor): Promise<void> {
  const body = buffer(request);
  body.catch(() => {});
  const seen = note(request, body);
  request.on('data', (chunk: Buffer) => void (seen.received += chunk.length));
  watch(response, seen);
  const act = await actFor(seen);
  if (doesNotAnswer(act, request, response)) return;
  if (act.earlyHints !== undefined) response.writeEarlyHints({ link: '</a>; rel=preload', ...act.earlyHints });
  for (const [name, value] of Object.entries(act.headers ?? {})) response.setHeader(name, value);
  if (act.trailers !== undefined && response.stream === undefined)
    response.setHeader('trailer', Object.keys(act.trailers).join(', '));
  response.writeHead(act.status ?? 200);
  if (act.breaksOff === 'in-body') {
    response.write(Buffer.alloc(1000, 'x'), () => breakOff(request, response));
    return;
  }
  if (act.messages !== undefined) await writeAll(response, seen, act.messages, (chunk) => chunk);
  if (act.trailers !== undefined) response.addTrailers(act.trailers);
  response.end(act.messages === undefined && request.method !== 'HEAD' ? act.body : undefined);
}

/** Notes when the caller leaves before the answer is whole. */
export function watch(response: ServerAnswer, seen: SeenRequest): void {
  const { stream } = response;
  if (stream === undefined) response.on('close', () => void (seen.isGivenUp = !response.writableFinished));
  else stream.on('close', () => void (seen.isGivenUp = stream.rstCode !== 0));
}

/** Carries out an act that is no answer. */
export function doesNotAnswer(act: Act, request: ServerRequest, response: ServerAnswer): boolean {
  if (act.isRefused === true) response.stream!.close(7);
  else if (act.breaksOff === 'before-head') breakOff(request, response);
  else return act.isSilent === true || response.destroyed;
  return true;
}

/** RST_STREAM(INTERNAL_ERROR), or the end of the connection. */
export function breakOff(request: ServerRequest, response: ServerAnswer): void {
  if (response.stream === undefined) request.socket.destroy();
  else response.stream.close(2);
}

/** Writes parts as they are made, no faster than they are taken. */
export async function writeAll(
  response: ServerAnswer,
  seen: SeenRequest,
  messages: AsyncIterable<Buffer>,
  encode: (message: Buffer) => Buffer,
): Promise<void> {
  for await (const message of messages) {
    if (response.destroyed) return;
    seen.sent += message.length;
    if (!response.write(encode(message)))
      await new Promise<void>((resolve) => void response.once('drain', resolve).once('close', resolve));
  }
}
