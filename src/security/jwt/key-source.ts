import { LRUCache } from 'lru-cache';
import type { Clock, Random } from '../../base/runtime.ts';
import type { JwtProviderConfig } from '../../model/authorization.ts';
import { parseKeySet, type KeySet } from './key-set.ts';
import { RemoteKeys, type FetchKeys, type KeyFetchReport } from './remote-keys.ts';
import type { TokenProblem } from './token-problem.ts';

/** Where the keys of a provider come from. */
export interface KeySource {
  /** The keys that hold now; undefined = there are none yet. Another object means other keys. */
  current(): KeySet | undefined;
  /** Keys that are newer than these, or the same ones when there are none; a problem when there are none at all. */
  newer(than: KeySet | undefined): Promise<KeySet | TokenProblem>;
}

/** What key sources are made with. */
export interface KeySourceParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly fetchKeys: FetchKeys;
  /** Told of each fetch, good or not. */
  readonly onFetch?: (report: KeyFetchReport) => void;
}

/** Policies come and go, and issuers stay: so many key sets are kept at most. */
const maxSources = 256;

/** The key sources of a process: the same for every policy that names the same keys, so that an update of the policy costs no fetch. */
export class KeySources {
  private readonly sources = new LRUCache<string, KeySource>({ max: maxSources });
  private readonly parts: KeySourceParts;

  constructor(parts: KeySourceParts) {
    this.parts = parts;
  }

  /** The source of these keys. */
  of(jwks: JwtProviderConfig['jwks']): KeySource {
    const name = JSON.stringify(jwks.kind === 'inline' ? jwks.document : [jwks.url, jwks.cluster, jwks.timeoutMs, jwks.cacheMs]);
    let source = this.sources.get(name);
    if (source === undefined) {
      source = jwks.kind === 'inline' ? inlineKeys(jwks.document) : new RemoteKeys(jwks, this.parts);
      this.sources.set(name, source);
    }
    return source;
  }
}

/** Keys that are in the policy itself. A document without a good key leaves none, so that every token is refused. */
export function inlineKeys(document: string): KeySource {
  const parsed = parseKeySet(document, 'inline');
  // Envoy's word, whatever is wrong with the document: the caller has no part in it.
  const problem: TokenProblem = 'keys-none-valid';
  const keys = typeof parsed === 'string' ? undefined : parsed;
  return { current: () => keys, newer: () => Promise.resolve(keys ?? problem) };
}
