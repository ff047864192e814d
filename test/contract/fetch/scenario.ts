import type { Peer } from './server.ts';

/** What a scenario may need to know of its run. */
export interface Run {
  /** First segment of the path; by it the peer tells runs apart. */
  readonly id: string;
  readonly peer: Peer;
  /** `http://127.0.0.1:port/<run>/<route>`. */
  url(route: string, origin?: 'self' | 'other' | 'tls' | 'h2'): string;
  /** A location for the redirect route; `{run}`, `{self}`, `{other}`, `{tls}` are put in by the peer. */
  redirect(status: number, to: string | null, more?: string): string;
}

/** One call of fetch, made by every door; what each shows must be the same. */
export interface Scenario {
  /** In kebab case. */
  readonly name: string;
  /** Whether the lean path must have served it. Default true; not looked at when fetch rejects. */
  readonly lean?: boolean;
  /** A route of the peer, or what fetch gets as its first argument. */
  readonly input: string | ((run: Run) => unknown);
  readonly init?: unknown;
  /** When `init` cannot be shared between doors: streams, signals. */
  readonly makeInit?: (run: Run) => unknown;
  /** How the response is read: the name of a reader. Default `text`. */
  readonly read?: string;
  /** Instead of all that: makes the calls itself and says what it saw. */
  readonly act?: (fetch: typeof globalThis.fetch, run: Run) => Promise<unknown>;
}
