/** What a scripted ADS server knows of one kind on one stream, and Istiod's way of reading requests about it. */
import type { SeenRequest } from './ads-messages.ts';

/** One kind on one stream. */
export interface AdsWatch {
  wanted: Set<string>;
  isAll: boolean;
  hasNamed: boolean;
  nonce: string;
  /** Versions that the client has, by name. */
  known: Map<string, string>;
  /** Istiod: the kind was asked for. */
  isWatched: boolean;
}

/** What a request is answered with: nothing, what the client has not, or at least an empty response. */
export type AdsReply = 'nothing' | 'news' | 'response';

/**
 * Reads a request as Istiod does: no names in a NACK, none with the nonce of an older response, and a reply only where names changed.
 * Source: `shouldRespondDelta` and `deltaWatchedResources` of istio.io/istio/pilot/pkg/xds/delta.go, `ShouldRespond` of pkg/xds/server.go.
 */
export function readAsIstiod(request: SeenRequest, watch: AdsWatch, isWholeType: boolean): AdsReply {
  if (request.error !== undefined) return 'nothing';
  return request.variant === 'delta' ? readDelta(request, watch) : readWhole(request, watch, isWholeType);
}

function readDelta(request: SeenRequest, watch: AdsWatch): AdsReply {
  const isFirst = !watch.isWatched;
  if (!isFirst && request.nonce !== '' && request.nonce !== watch.nonce) return 'nothing';
  watch.isWatched = true;
  let hasChanged = false;
  for (const name of [...request.names, ...Object.keys(request.initialVersions)]) {
    if (watch.wanted.has(name)) continue;
    hasChanged = true;
    watch.wanted.add(name);
    watch.known.delete(name);
  }
  // It makes everything anew, whatever the version is.
  if (isFirst) for (const name of Object.keys(request.initialVersions)) watch.known.set(name, '');
  for (const name of request.unsubscribed) {
    if (!watch.wanted.delete(name)) continue;
    hasChanged = true;
    watch.known.delete(name);
  }
  if (isFirst) watch.isAll = request.names.length === 0 || request.names.includes('*');
  if (isFirst) return 'response';
  return hasChanged ? 'news' : 'nothing';
}

function readWhole(request: SeenRequest, watch: AdsWatch, isWholeType: boolean): AdsReply {
  if (request.names.length === 0 && !isWholeType) {
    watch.isWatched = false;
    watch.wanted.clear();
    watch.known.clear();
    return 'nothing';
  }
  const isFirst = request.nonce === '' || !watch.isWatched;
  if (!isFirst && request.nonce !== watch.nonce) return 'nothing';
  const names = new Set(request.names);
  const added = [...names].filter((name) => !watch.wanted.has(name));
  const removed = [...watch.wanted].filter((name) => !names.has(name));
  watch.isWatched = true;
  watch.wanted = names;
  watch.isAll = names.has('*') || (isWholeType && names.size === 0);
  for (const name of isFirst ? [...watch.known.keys()] : [...added, ...removed]) watch.known.delete(name);
  if (isFirst) return 'response';
  if (added.length + removed.length === 0) return 'nothing';
  if (isWholeType) return 'response';
  return added.length === 0 ? 'nothing' : 'news';
}
