/**
 * Whether a request can be read at all: what the types forbid and a program may still pass. undici looks when it writes, too late
 * for a mesh that reads path and headers long before; here the caller hears of it as of any other failure.
 */
import type { Dispatcher } from 'undici';
import { isMeshError, MeshError } from '../base/errors.ts';
import { withKeptHeaders, withQueryInPath } from './routing/request-view.ts';
import type { DispatchOptions } from './send-options.ts';
import { isReplayable, isStream } from './transport/replay-body.ts';

/** The options as all that follows reads them. Throws where that cannot be, with {@link unreadable} to say so. */
export function readable(options: DispatchOptions): DispatchOptions {
  const { path, headers, body } = options;
  if (typeof path !== 'string') throw new TypeError('path must be a string');
  if (headers !== undefined && headers !== null && typeof headers !== 'object')
    throw new TypeError('headers must be an object, an array or an iterable of pairs');
  if (body !== undefined && body !== null && !isBody(body))
    throw new TypeError('body must be a string, bytes, a Blob, a FormData, a stream or an iterable');
  const kept = withKeptHeaders(withQueryInPath(options));
  if (kept.headers && !Array.isArray(kept.headers) && Symbol.iterator in kept.headers) checkPairs(kept.headers);
  return kept;
}

/** undici's own `Headers` has pairs, and makes a list of them each time. */
function checkPairs(headers: Iterable<unknown>): void {
  if ((headers as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Headers') return;
  for (const pair of headers)
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string')
      throw new TypeError('headers that are iterable must be pairs of a name and a value');
}

function isBody(body: unknown): boolean {
  if (typeof body === 'string') return true;
  if (typeof body !== 'object' && typeof body !== 'function') return false;
  if (isReplayable(body as DispatchOptions['body']) || isStream(body)) return true;
  const object = body as { [Symbol.iterator]?: unknown; [Symbol.asyncIterator]?: unknown; stream?: unknown };
  return [object[Symbol.iterator], object[Symbol.asyncIterator], object.stream].some((each) => typeof each === 'function');
}

/** Throws where nobody would take the socket of an upgrade or a tunnel: such a request would never end. As undici does. */
export function checkTaker(given: object, handler: Dispatcher.DispatchHandler): void {
  const name = given === handler ? 'onRequestUpgrade' : 'onUpgrade';
  if (typeof (given as Record<string, unknown>)[name] !== 'function')
    throw new TypeError('the handler of an upgrade or CONNECT must have onRequestUpgrade');
}

/** What the caller hears of a request that cannot be read. */
export function unreadable(error: unknown): MeshError {
  if (isMeshError(error)) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new MeshError('MESH_REQUEST_INVALID', `the request cannot be read: ${why}`, { cause: error });
}
