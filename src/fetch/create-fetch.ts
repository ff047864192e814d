/**
 * A fetch over a dispatcher. Two paths, chosen before anything is sent:
 *
 *   lean   the common call (URL, plain headers, text or bytes as body), at about a third of the cost of `undici.fetch`
 *   Node's everything else, wrong arguments included: so its behaviour and its errors are Node's own
 *
 * What a caller can tell apart is listed in docs/reference/fetch.md and held to by the contract test.
 */
import type { Dispatcher } from 'undici';
import { type DecompressionLimits, defaultDecompressionLimits } from './content-decoder.ts';
import { leanFetch } from './lean-fetch.ts';
import { type LeanRequest, leanRequest } from './lean-request.ts';
import { fetchOverNode, nodeFetch } from './node-fetch.ts';

/** What `fetch` does beyond Node's own: bounds for bodies that a peer compressed. */
export interface FetchOptions {
  /**
   * How far compressed responses of the lean path may grow: one is broken off once past both limits.
   * Default: 64 MiB and 100 times its compressed size. `{ maxBytes: Infinity }` lifts it.
   */
  readonly decompression?: Partial<DecompressionLimits>;
}

/**
 * `fetch` of the running Node, sending through `dispatcher`: same types and classes, same errors (`TypeError('fetch failed')` whose
 * `cause` is the dispatcher's error; an abort rejects with the signal's reason). Throws RangeError for impossible options.
 */
export function createFetch(dispatcher: Dispatcher, options: FetchOptions = {}): typeof globalThis.fetch {
  const limits = { ...defaultDecompressionLimits, ...options.decompression };
  for (const [name, limit] of Object.entries(limits)) {
    if (!(limit > 0)) throw new RangeError(`decompression.${name} is ${limit}; give a number above 0, or Infinity for no limit`);
  }
  // oxlint-disable-next-line typescript/no-useless-default-assignment -- it makes the length of the function 1, as that of Node’s
  return function fetch(input, init = undefined) {
    if (arguments.length === 0) return (nodeFetch as () => Promise<Response>)();
    const request = commonRequest(input, init);
    return request === undefined ? fetchOverNode(dispatcher, input, init) : leanFetch(dispatcher, request, limits);
  };
}

function commonRequest(input: unknown, init: unknown): LeanRequest | undefined {
  try {
    return leanRequest(input, init);
  } catch {
    // A getter or a proxy of the caller threw. Node’s fetch meets the same and rejects with it.
    return undefined;
  }
}
