/**
 * How long a blocking query may wait. Each one occupies a connection, and connections are few (an agent allows 200 per client
 * address). While there are enough of them, a query waits as long as it was configured to. With more watches than connections they
 * take turns: the wait is cut so that each is asked about every ten seconds, and the queries under way are cut short once, when the
 * connections run out, lest the late ones wait for minutes.
 */
export class PollShare {
  readonly #connections: number;
  #watches = 0;
  #cut = new AbortController();
  constructor(connections: number) {
    this.#connections = connections;
  }

  /** Aborts when queries under way should end and ask again with the present {@link waitMs}. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  join(): void {
    this.#watches++;
    if (this.#watches !== this.#connections + 1) return;
    const cut = this.#cut;
    this.#cut = new AbortController();
    cut.abort();
  }

  leave(): void {
    this.#watches--;
  }

  /** The wait of the next query. */
  waitMs(configuredMs: number): number {
    if (this.#watches <= this.#connections) return configuredMs;
    return Math.min(configuredMs, Math.max(1000, Math.round((turnMs * this.#connections) / this.#watches)));
  }
}

/** How often each of too many watches is asked. */
const turnMs = 10_000;
