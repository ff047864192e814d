import type { Dispatcher } from 'undici';
import type { DecompressionLimits } from './content-decoder.ts';
import { LeanExchange } from './lean-exchange.ts';
import type { LeanRequest } from './lean-request.ts';
import { leanResponse } from './lean-response.ts';
import { redirected } from './redirect.ts';

/**
 * Sends a request on the lean path and follows what the response asks for.
 * Rejects with the signal’s reason, or with `TypeError('fetch failed')` whose cause is what the dispatcher gave.
 */
export function leanFetch(dispatcher: Dispatcher, request: LeanRequest, limits: DecompressionLimits): Promise<Response> {
  return exchange(dispatcher, request, limits).then((first) =>
    first.sequel === 'none' ? answer(first) : follow(dispatcher, first, limits),
  );
}

function exchange(dispatcher: Dispatcher, request: LeanRequest, limits: DecompressionLimits): Promise<LeanExchange> {
  const { method, origin, path, headers, body, signal } = request;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const handler = new LeanExchange(request, limits, resolve, reject);
    handler.watch();
    try {
      dispatcher.dispatch({ method, origin, path, headers, body }, handler);
    } catch (error) {
      handler.onResponseError(null, error);
    }
  });
}

function answer(last: LeanExchange): Response {
  last.request.body = null;
  return leanResponse(last);
}

/** Redirects and the repeat after 421. They go through the dispatcher again, which routes the new host. */
async function follow(dispatcher: Dispatcher, first: LeanExchange, limits: DecompressionLimits): Promise<Response> {
  let last = first;
  while (last.sequel !== 'none') {
    const next = last.sequel === 'repeat' ? { ...last.request, misdirected: true } : redirected(last);
    last = await exchange(dispatcher, next, limits);
  }
  return answer(last);
}
