/** Who wants which service: one watch per service however many ask, started by the first demand and ended by the last. */
import type { ControlPlaneContext, Demand } from '../../model/contracts.ts';
import { reconnectBackoff } from '../../base/backoff.ts';
import { runWatch } from '../watch.ts';
import type { StatusBoard } from '../watch-status.ts';
import type { ConsulClient } from './client.ts';
import type { ConsulSettings } from './options.ts';
import { PollShare } from './poll-share.ts';
import type { Publisher } from './publisher.ts';
import { retryAfterOf } from './retry-after.ts';
import { clusterNameOf, serviceTargetFromHost, type ServiceTarget } from './service-target.ts';
import { ServiceWatch } from './service-watch.ts';

interface Watched {
  readonly target: ServiceTarget;
  /** One entry per call of `demand`, even of the same object. */
  readonly wants: Set<{ readonly want: Demand }>;
  readonly stop: AbortController;
  /** What the last answer was; undefined before the first one. */
  state: undefined | { readonly absent: string } | 'delivered';
}

/** Back-off ends here: an agent is near, and a minute without it is long. */
const maxBackoffMs = 30_000;

export class ServiceWatches {
  readonly #context: ControlPlaneContext;
  readonly #client: ConsulClient;
  readonly #settings: ConsulSettings;
  readonly #publisher: Publisher;
  readonly #board: StatusBoard;
  readonly #share: PollShare;
  readonly #watched = new Map<string, Watched>();

  constructor(parts: {
    readonly context: ControlPlaneContext;
    readonly client: ConsulClient;
    readonly settings: ConsulSettings;
    readonly publisher: Publisher;
    readonly board: StatusBoard;
  }) {
    this.#context = parts.context;
    this.#client = parts.client;
    this.#settings = parts.settings;
    this.#publisher = parts.publisher;
    this.#board = parts.board;
    this.#share = new PollShare(parts.settings.maxConnections);
  }

  /** The defaults of the mesh are others: every service is delivered with them. */
  defaultsChanged(): void {
    this.#publish(this.#publisher.repeatAll());
  }

  /** See `ControlPlane.demand`. Answers later, never within the call. */
  demand(want: Demand, until: AbortSignal): void {
    const { sink, signal } = this.#context;
    if (until.aborted || signal.aborted) return;
    const answerAbsent = (reason: string): void =>
      queueMicrotask(() => {
        if (!until.aborted && !signal.aborted) sink.absent(want, reason);
      });
    const target = serviceTargetFromHost(want.kind === 'authority' ? want.host : want.name, this.#settings.domain);
    if ('notConsul' in target) {
      answerAbsent(target.notConsul);
      return;
    }
    const name = clusterNameOf(target, this.#settings.domain);
    const watched = this.#watched.get(name) ?? this.#start(name, target);
    const entry = { want };
    watched.wants.add(entry);
    until.addEventListener('abort', () => this.#forget(name, watched, entry), { once: true });
    if (watched.state === 'delivered') this.#publish(this.#publisher.repeat(target));
    else if (watched.state !== undefined) answerAbsent(watched.state.absent);
  }

  #start(name: string, target: ServiceTarget): Watched {
    const watched: Watched = { target, wants: new Set(), stop: new AbortController(), state: undefined };
    this.#watched.set(name, watched);
    const { clock, random, signal, sink } = this.#context;
    const watch = new ServiceWatch({
      client: this.#client,
      settings: this.#settings,
      target,
      share: this.#share,
      clock,
      listener: {
        instances: (instances, index) => {
          watched.state = 'delivered';
          this.#publish(this.#publisher.put(target, instances, index));
        },
        absent: (reason) => {
          watched.state = { absent: reason };
          for (const { want } of watched.wants) sink.absent(want, reason);
        },
      },
    });
    this.#share.join();
    void runWatch({
      clock,
      random,
      signal: AbortSignal.any([signal, watched.stop.signal]),
      connect: (session) => watch.connect(session),
      onStatus: (status) => this.#board.set(name, status),
      backoffMs: (failures) => reconnectBackoff(failures, random, 1000, maxBackoffMs),
      retryAfterMs: (error) => retryAfterOf(error, clock.wallNow()),
    }).finally(() => {
      this.#share.leave();
    });
    return watched;
  }

  #forget(name: string, watched: Watched, entry: { readonly want: Demand }): void {
    watched.wants.delete(entry);
    if (watched.wants.size > 0 || this.#watched.get(name) !== watched) return;
    this.#watched.delete(name);
    watched.stop.abort();
    this.#board.delete(name);
    if (!this.#context.signal.aborted) this.#publish(this.#publisher.drop(watched.target));
  }

  /** A sink that throws is a defect of the mesh; it is shown, and watching goes on. */
  #publish(done: Promise<void>): void {
    done.then(
      () => this.#board.delete('publish'),
      (error: unknown) => this.#board.set('publish', { state: 'failed', error: `an update was not applied: ${String(error)}` }),
    );
  }
}
