/**
 * A control plane that a test speaks through. It holds a configuration; whatever changes is delivered as a whole state, so that a test
 * says what there is and not how it got there. While it is away or silent nothing is delivered, and the rest follows when it is back.
 */
import { holdingProcess, systemClock } from '../../base/runtime.ts';
import type { ApplyResult, ConfigUpdate, ControlPlane, ControlPlaneContext, Demand } from '../../model/contracts.ts';
import type { ListenedPort } from '../../model/listener.ts';
import type { ResourceKey } from '../../model/snapshot.ts';
import {
  demanded,
  emptyConfig,
  hasInbound,
  isHeld,
  resourcesOf,
  withConfig,
  withoutConfig,
  type FakeConfig,
  type HeldConfig,
} from './fake-config.ts';
import { FakeIdentitySource, type FakeIdentity } from './fake-identity.ts';

/** What {@link fakeControlPlane} takes beside its configuration. */
export interface FakeControlPlaneOptions {
  /** Shown in `mesh.status()`. Default `fake`. */
  readonly name?: string;
  /**
   * `at-once` (default): everything is delivered. `on-demand`: what was asked for, as xDS does it; the rest is absent. A function answers
   * by itself, by `set` or `absent`.
   */
  readonly answers?: 'at-once' | 'on-demand' | ((want: Demand, plane: FakeControlPlane) => void);
  /** Delivered beside the configuration, for clusters with `tls`. */
  readonly identity?: FakeIdentity;
  /** Whether ports refuse requests until it has delivered. Default: whether the initial configuration has a way in. */
  readonly guardsInbound?: boolean;
  /** As a source that others can write to: see {@link ControlPlane.remoteAddresses}. */
  readonly remoteAddresses?: { readonly allowLoopback: boolean };
}

/** What a delivery came to; undefined = it is held back: no mesh is there yet, or the plane is away or silent. */
export type Delivered = ApplyResult | undefined;

/**
 * A control plane for `createMesh`, of one mesh at a time. `initial` is delivered as soon as the mesh is there; without it the plane
 * says nothing before the first `set`.
 *
 * ```js
 * const plane = fakeControlPlane({ services: { orders: { endpoints: [orders.address] } } });
 * await using mesh = await createMesh({ controlPlane: plane });
 * await plane.set({ services: { orders: { endpoints: [other.address] } } });
 * ```
 */
export function fakeControlPlane(initial?: FakeConfig, options: FakeControlPlaneOptions = {}): FakeControlPlane {
  return new FakeControlPlane(initial, options);
}

/** See {@link fakeControlPlane}. */
export class FakeControlPlane implements ControlPlane {
  readonly name: string;
  readonly guardsInbound: boolean;
  readonly identity?: FakeIdentitySource;
  readonly remoteAddresses?: { readonly allowLoopback: boolean };
  readonly demand?: (want: Demand, until: AbortSignal) => void;
  /** What was asked for, in order. */
  readonly demands: Demand[] = [];
  /** What is watched now: asked for, and not let go. */
  readonly watched = new Set<Demand>();
  /** Ports that the mesh listens on. */
  readonly ports = new Set<ListenedPort>();
  /** Verdicts of the mesh, in order. */
  readonly results: ApplyResult[] = [];
  readonly #answers: FakeControlPlaneOptions['answers'];
  readonly #ended = Promise.withResolvers<never>();
  #held: HeldConfig = emptyConfig;
  #hasSpoken: boolean;
  #context: ControlPlaneContext | undefined;
  #delivered: readonly ResourceKey[] = [];
  #version = 0;
  #state: 'here' | 'away' | 'silent' = 'here';
  #reason = '';
  #queue: Promise<unknown> = Promise.resolve();
  #watchers: (() => void)[] = [];

  constructor(initial: FakeConfig | undefined, options: FakeControlPlaneOptions) {
    this.name = options.name ?? 'fake';
    this.guardsInbound = options.guardsInbound ?? hasInbound(initial);
    this.#answers = options.answers ?? 'at-once';
    this.#hasSpoken = initial !== undefined;
    if (initial !== undefined) this.#held = withConfig(emptyConfig, initial);
    if (options.identity !== undefined) this.identity = new FakeIdentitySource(this.name, options.identity);
    if (options.remoteAddresses !== undefined) this.remoteAddresses = options.remoteAddresses;
    if (this.#answers !== 'at-once') this.demand = (want, until) => this.#onDemand(want, until);
    this.#ended.promise.catch(() => {});
  }

  /** Version of the last delivery; `0` before the first. */
  get version(): string {
    return String(this.#version);
  }

  /** Called by the mesh. */
  async run(context: ControlPlaneContext): Promise<void> {
    if (this.#context !== undefined) throw new TypeError('a fake control plane serves one mesh at a time; make one for each');
    this.#context = context;
    this.#delivered = [];
    const stopped = new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve(), { once: true }));
    this.#tellState();
    try {
      if (this.#hasSpoken) await this.#deliver();
      await Promise.race([stopped, this.#ended.promise]);
    } finally {
      this.#context = undefined;
    }
  }

  /**
   * Adds to what it holds, and replaces what has the same name. Rejects with a TypeError when the mesh refuses a part of it, and with
   * MESH_CONFIG_INVALID for what no file could say.
   */
  set(config: FakeConfig): Promise<Delivered> {
    return this.#change(withConfig(this.#held, config));
  }

  /** Takes services away by their name, resources by kind and name. */
  remove(...names: readonly (string | ResourceKey)[]): Promise<Delivered> {
    return this.#change(withoutConfig(this.#held, names));
  }

  /** Delivers an update as it is, good or bad, beside what it holds, and gives the verdict. Rejects when no mesh is there. */
  async deliver(update: Partial<ConfigUpdate>): Promise<ApplyResult> {
    if (this.#context === undefined) throw new TypeError('no mesh runs with this control plane');
    return await this.#apply({ version: String(++this.#version), set: [], remove: [], ...update });
  }

  /** Says that there is no such thing: requests for it stop waiting. */
  absent(want: Demand, reason = 'there is no such thing'): void {
    this.#context?.sink.absent(want, reason);
  }

  /** Its connection is lost, and the mesh knows it. What changes is delivered when it is {@link back}. */
  away(reason = 'the control plane is away'): void {
    this.#state = 'away';
    this.#reason = reason;
    this.#tellState();
  }

  /** It says nothing any more, and the mesh does not know why: neither deliveries nor answers. */
  hang(): void {
    this.#state = 'silent';
  }

  /** It is connected again, delivers what has changed and answers what was asked. */
  async back(): Promise<Delivered> {
    this.#state = 'here';
    this.#tellState();
    const delivered = this.#hasSpoken ? await this.#deliver() : undefined;
    for (const want of this.watched) this.#answer(want);
    return delivered;
  }

  /** It ends with this error, as one does that cannot go on; what it delivered stays in force. */
  fail(reason: string | Error): void {
    this.#ended.reject(typeof reason === 'string' ? new Error(reason) : reason);
  }

  /** Another certificate, or other roots: see {@link FakeIdentity}. Throws a TypeError when the mesh refuses it. */
  rotate(identity: FakeIdentity): void {
    if (this.identity === undefined) throw new TypeError('this control plane was made without `identity`');
    this.identity.rotate(identity);
  }

  /** Resolves with the first demand that fits, once it was made; rejects after 5 s with what was asked for. */
  asked(fits: (want: Demand) => boolean = () => true): Promise<Demand> {
    const demand = new Promise<Demand>((resolve, reject) => {
      const look = (): void => {
        const want = this.demands.find(fits);
        if (want === undefined) return;
        timer.cancel();
        this.#watchers = this.#watchers.filter((watcher) => watcher !== look);
        resolve(want);
      };
      const timer = systemClock.setTimer(() => {
        reject(new Error(`${this.name} was not asked for that within 5 s, but for ${JSON.stringify(this.demands)}`));
      }, 5000);
      this.#watchers.push(look);
      look();
    });
    return holdingProcess(demand);
  }

  /** Called by the mesh. */
  listening(at: ListenedPort, until: AbortSignal): void {
    this.ports.add(at);
    until.addEventListener('abort', () => this.ports.delete(at), { once: true });
  }

  #tellState(): void {
    if (this.#state === 'here') this.#context?.sink.status({ state: 'connected' });
    if (this.#state === 'away') this.#context?.sink.status({ state: 'disconnected', error: this.#reason });
  }

  #onDemand(want: Demand, until: AbortSignal): void {
    this.demands.push(want);
    this.watched.add(want);
    until.addEventListener('abort', () => this.watched.delete(want), { once: true });
    for (const watcher of this.#watchers) watcher();
    if (this.#state === 'here') this.#answer(want);
  }

  #answer(want: Demand): void {
    if (typeof this.#answers === 'function') this.#answers(want, this);
    else void this.#answerFromHeld(want);
  }

  async #answerFromHeld(want: Demand): Promise<void> {
    const resources = await resourcesOf(this.#held, this.identity !== undefined);
    if (!isHeld(resources, want)) this.absent(want);
    else await this.#deliver().catch(() => {});
  }

  async #change(next: HeldConfig): Promise<Delivered> {
    await resourcesOf(next, this.identity !== undefined);
    this.#held = next;
    this.#hasSpoken = true;
    return await this.#deliver();
  }

  /** The state as it is when its turn comes: deliveries are made one after the other. */
  #deliver(): Promise<Delivered> {
    const delivered = this.#queue.then(async () => {
      if (this.#state !== 'here' || this.#context === undefined) return undefined;
      const all = await resourcesOf(this.#held, this.identity !== undefined);
      const set = this.#answers === 'on-demand' ? demanded(all, [...this.watched]) : all;
      const remove = this.#delivered.filter(({ kind, name }) => !set.some((one) => one.kind === kind && one.name === name));
      this.#delivered = set.map(({ kind, name }) => ({ kind, name }));
      const result = await this.#apply({ version: String(++this.#version), set, remove });
      if (result.rejected.length > 0)
        throw new TypeError(`the mesh refuses: ${result.rejected.map(({ path, reason }) => `${path}: ${reason}`).join('; ')}`);
      return result;
    });
    this.#queue = delivered.catch(() => {});
    return delivered;
  }

  async #apply(update: ConfigUpdate): Promise<ApplyResult> {
    const result = await this.#context!.sink.apply(update);
    this.results.push(result);
    return result;
  }
}
