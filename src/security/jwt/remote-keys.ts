/**
 * Keys that an issuer publishes. They are fetched once for all who wait (single flight), again by the clock while tokens come, and again
 * when a token names a key that is not there: issuers publish a new key before they use it, but not always. Anybody can invent names of
 * keys, so that fetches caused by tokens are a minute apart, and so are those after a fetch that failed while there are keys.
 *
 * A fetch that fails takes nothing away: the last good keys hold for a day, since an issuer that is down is more likely than one whose
 * key was stolen at the same time. Without any keys every token is refused.
 *
 * Cold start: the first token waits for the fetch. Fetches that fail then are repeated after 1 s, 2 s … up to a minute, and tokens in
 * between are refused at once.
 */
import { runWithoutRequest } from '../../base/request-context.ts';
import type { Clock, Random, Timer } from '../../base/runtime.ts';
import type { JwtProviderConfig } from '../../model/authorization.ts';
import { lifetimeOf } from './cache-lifetime.ts';
import { maxKeySetBytes, parseKeySet, type KeySet } from './key-set.ts';
import type { KeySource } from './key-source.ts';
import { tokenProblems, type TokenProblem } from './token-problem.ts';

/** What is fetched. */
export interface KeyLocation {
  readonly url: string;
  /** The cluster that is asked; undefined = the host of the URL, by `https` alone. */
  readonly cluster: string | undefined;
  readonly timeoutMs: number;
  /** More is not read. */
  readonly maxBodyBytes: number;
}

/** An answer. */
export interface FetchedKeys {
  readonly status: number;
  readonly cacheControl: string | undefined;
  readonly body: Uint8Array;
}

/** Fetches keys; rejects when there is no answer. */
export type FetchKeys = (location: KeyLocation, signal: AbortSignal) => Promise<FetchedKeys>;

/** What came of a fetch. */
export interface KeyFetchReport {
  /** Without query and user. */
  readonly url: string;
  /** Undefined = the keys are there. */
  readonly error: string | undefined;
  /** Tokens are still verified with the keys of an earlier fetch. */
  readonly hasKeys: boolean;
}

type RemoteJwks = JwtProviderConfig['jwks'] & { readonly kind: 'remote' };

const defaultTimeoutMs = 5000; // Istio's and Envoy's examples
const minRefetchMs = 60_000;
const firstRetryMs = 1000;
const maxStaleMs = 24 * 3_600_000;
/** Share of its lifetime after which a set is fetched again, so that no request waits for that. */
const refreshShare = 0.85;

/** The keys of one issuer, fetched. */
export class RemoteKeys implements KeySource {
  private readonly location: KeyLocation;
  private readonly shownUrl: string;
  private readonly cacheMs: number | undefined;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly fetchKeys: FetchKeys;
  private readonly onFetch: ((report: KeyFetchReport) => void) | undefined;
  private keys: KeySet | undefined;
  private fetchedMs = 0.1;
  private lifetimeMs = 0.1;
  private underWay: Promise<KeySet | TokenProblem> | undefined;
  /** Before that, no token causes a fetch. */
  private nextFetchMs = Number.NEGATIVE_INFINITY;
  private failures = 0;
  private timer: Timer | undefined;
  private isUsed = false;

  constructor(
    jwks: RemoteJwks,
    parts: {
      readonly clock: Clock;
      readonly random: Random;
      readonly fetchKeys: FetchKeys;
      readonly onFetch?: (report: KeyFetchReport) => void;
    },
  ) {
    const timeoutMs = jwks.timeoutMs ?? defaultTimeoutMs;
    this.location = { url: jwks.url, cluster: jwks.cluster, timeoutMs, maxBodyBytes: maxKeySetBytes };
    this.shownUrl = withoutSecrets(jwks.url);
    this.cacheMs = jwks.cacheMs;
    this.clock = parts.clock;
    this.random = parts.random;
    this.fetchKeys = parts.fetchKeys;
    this.onFetch = parts.onFetch;
  }

  /**
   * The keys of the last good fetch. Those that nobody has asked for longer than they hold do not count before they are fetched again;
   * those that could not be fetched again do, for a day.
   */
  current(): KeySet | undefined {
    this.isUsed = true;
    if (this.keys === undefined) return undefined;
    const now = this.clock.now();
    const ageMs = now - this.fetchedMs;
    if (ageMs <= this.lifetimeMs) return this.keys;
    if (ageMs > maxStaleMs) this.keys = undefined;
    if (this.underWay !== undefined) return this.failures > 0 ? this.keys : undefined;
    return now < this.nextFetchMs || this.timer !== undefined ? this.keys : undefined;
  }

  /** Fetches, unless somebody just did. */
  newer(than: KeySet | undefined): Promise<KeySet | TokenProblem> {
    const known = this.current();
    if (known !== undefined && known !== than) return Promise.resolve(known);
    return this.fetchUnlessTooSoon() ?? Promise.resolve(this.keys ?? 'keys-not-fetched');
  }

  private fetchUnlessTooSoon(): Promise<KeySet | TokenProblem> | undefined {
    if (this.underWay !== undefined) return this.underWay;
    if (this.clock.now() < this.nextFetchMs) return undefined;
    this.timer?.cancel();
    this.timer = undefined;
    // For all who wait: neither the deadline nor the headers of the request that happens to cause it.
    const underWay = runWithoutRequest(() => this.fetch()).finally(() => (this.underWay = undefined));
    this.underWay = underWay;
    return underWay;
  }

  private async fetch(): Promise<KeySet | TokenProblem> {
    const startMs = this.clock.now();
    this.nextFetchMs = startMs + minRefetchMs;
    const answer = await this.ask().catch((error: unknown) => wordsOf(error));
    if (typeof answer === 'string') return this.fail(answer);
    const parsed = keysOf(answer);
    if (typeof parsed === 'string') return this.fail(parsed);
    this.failures = 0;
    this.keys = parsed;
    this.fetchedMs = startMs;
    this.lifetimeMs = lifetimeOf(answer.cacheControl, this.cacheMs);
    // Processes that were started together do not fetch together.
    this.refreshAfter(this.lifetimeMs * (refreshShare - 0.1 * this.random()));
    this.onFetch?.({ url: this.shownUrl, error: undefined, hasKeys: true });
    return parsed;
  }

  private fail(error: string): KeySet | TokenProblem {
    this.failures += 1;
    const hasKeys = this.keys !== undefined;
    const retryMs = hasKeys ? minRefetchMs : Math.min(minRefetchMs, firstRetryMs * 2 ** Math.min(this.failures - 1, 10));
    this.nextFetchMs = this.clock.now() + retryMs;
    this.refreshAfter(retryMs * (1 + 0.1 * this.random()));
    this.onFetch?.({ url: this.shownUrl, error, hasKeys });
    return this.keys ?? 'keys-not-fetched';
  }

  /** A process that sees no tokens fetches no keys. */
  private refreshAfter(delayMs: number): void {
    this.isUsed = false;
    this.timer = this.clock.setTimer(() => {
      this.timer = undefined;
      if (!this.isUsed) return;
      this.nextFetchMs = Number.NEGATIVE_INFINITY;
      void this.fetchUnlessTooSoon();
    }, delayMs);
  }

  /** Asks, and gives up by the clock. */
  private ask(): Promise<FetchedKeys> {
    const { url, cluster, timeoutMs } = this.location;
    const protocol = URL.canParse(url) ? new URL(url).protocol : undefined;
    if (protocol !== 'https:' && !(protocol === 'http:' && cluster !== undefined))
      return Promise.reject(new TypeError('keys are fetched by https, or by http from a cluster that is named'));
    const abort = new AbortController();
    return new Promise((resolve, reject) => {
      const timer = this.clock.setTimer(() => {
        abort.abort();
        reject(new Error(`no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.fetchKeys(this.location, abort.signal)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }
}

/** The keys of an answer, or what is wrong with it. */
function keysOf({ status, body }: FetchedKeys): KeySet | string {
  if (status !== 200) return `status ${status}`;
  if (body.byteLength > maxKeySetBytes) return `more than ${maxKeySetBytes} bytes`;
  const parsed = parseKeySet(new TextDecoder().decode(body), 'remote');
  return typeof parsed === 'string' ? tokenProblems[parsed].text : parsed;
}

/** A query and the name of a user may be secrets. */
function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return 'no URL';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
