/** The beginning of a request's body, read before its handler and put back, so that the handler reads all of it. */
import type { Readable } from 'node:stream';
import type { InboundRequest } from '../../../model/inbound.ts';
import { firstValue, hasHeader } from '../request-headers.ts';

/** What was read. */
export interface BodyHead {
  readonly bytes: Uint8Array;
  /** There is nothing after it. */
  readonly isWhole: boolean;
}

/** Node's HTTP/2 requests: whether END_STREAM came with the headers. */
interface OverHttp2 {
  readonly stream?: { readonly endAfterHeaders?: boolean };
}

/** Whether the head of a request says that no body follows. */
export function hasNoBody(request: InboundRequest): boolean {
  const length = firstValue(request, 'content-length');
  if (length !== undefined) return Number(length) === 0;
  if (request.httpVersionMajor > 1) return (request as OverHttp2).stream?.endAfterHeaders === true;
  return !hasHeader(request, 'transfer-encoding');
}

/**
 * Reads up to `maxBytes` of the body, calls back once, and leaves the stream as if nobody had read. A body that breaks off calls back
 * with undefined. Returns what ends the reading without a call.
 */
export function readAhead(body: Readable, maxBytes: number, done: (head: BodyHead | undefined) => void): () => void {
  const chunks: Buffer[] = [];
  let length = 0;
  let isLeft = false;
  const leave = (): void => {
    body.off('readable', onReadable);
    body.off('error', onBroken);
    body.off('close', onBroken);
  };
  const finish = (isWhole: boolean): void => {
    leave();
    const bytes = Buffer.concat(chunks);
    if (length > 0) body.unshift(bytes);
    done({ bytes: bytes.subarray(0, maxBytes), isWhole: isWhole && length <= maxBytes });
  };
  const onBroken = (): void => {
    isLeft = true;
    leave();
    done(undefined);
  };
  const onReadable = (): void => {
    // Reading an empty body to its end would make the stream tell it, before anybody listens.
    while (body.readableLength > 0 || !isAtEnd(body)) {
      const chunk = body.read() as Buffer | null;
      if (chunk === null) break;
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) {
        finish(false);
        return;
      }
    }
    // Nothing is left and nothing comes: its `end` is not out yet, so that what was read can go back.
    if (isAtEnd(body)) finish(true);
  };
  // A body that came with its head is known to have ended once the head is dealt with. Whoever asks for `readable` of an empty one that
  // has ended makes it tell its end.
  queueMicrotask(() => {
    if (isLeft) return;
    if (body.readableLength === 0 && isAtEnd(body)) finish(true);
    else body.on('readable', onReadable);
  });
  body.once('error', onBroken);
  body.once('close', onBroken);
  return () => {
    isLeft = true;
    leave();
  };
}

/** Whether all of it has arrived. The stream says so to itself alone: `readableEnded` is true once `end` is out, and then it is too late. */
function isAtEnd(body: Readable): boolean {
  return (body as unknown as { readonly _readableState: { readonly ended: boolean } })._readableState.ended;
}
