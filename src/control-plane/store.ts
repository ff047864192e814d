/**
 * The configuration store: every source delivers here, and the data plane runs on what comes out.
 *
 * - Each resource is checked by itself. A bad one is refused with its path and reason and its last good version stays in force; it
 *   never stops another one of the same update (gRFC A46). What is accepted without effect is reported, never dropped in silence.
 * - A good resource that equals the one in force keeps its object, so that the data plane compares by `===`; a new one is frozen.
 * - A route whose cluster is not there yet is accepted: the order in which a control plane delivers is its own business, and only
 *   requests that need the missing part fail (`NC`). `status()` lists such references.
 * - An update that says "this is all there is" and names nothing does not empty what is in force (gRFC A88): an explicit removal
 *   does.
 * - Work is cut into slices of about a millisecond, with a turn of the event loop between them. Updates of one source are applied
 *   in order, and each is one swap of the snapshot.
 */
import { MeshError } from '../base/errors.ts';
import type { Clock } from '../base/runtime.ts';
import type { LoadBalancingConfig } from '../model/cluster.ts';
import type { ApplyResult, ConfigSink, ConfigUpdate, ControlPlaneStatus, Demand, Problem } from '../model/contracts.ts';
import type { ResourceKind, Snapshot } from '../model/snapshot.ts';
import {
  checkBeforehand,
  prepareUpdate,
  type ChangedResource,
  type KnownVerdicts,
  type PreparedUpdate,
} from './prepare-update.ts';
import { keyText, snapshotOf, SourceState } from './source-state.ts';
import { danglingReferences } from './validate/dangling.ts';
import { resourceKinds } from './validate/resource.ts';

export type { ChangedResource } from './prepare-update.ts';

/** How a source is doing, for `mesh.status()`. */
export interface SourceStatus {
  readonly source: string;
  readonly state: ControlPlaneStatus['state'];
  /** Why it is not connected, or what was wrong with the last update, with the remedy. */
  readonly error: string | undefined;
  /** What the source itself says is wrong. */
  readonly problems: readonly Problem[];
  /** What is in force is not what the source says now, and why. */
  readonly stale: string | undefined;
  /** Which of its servers serves it, where it has several. */
  readonly server: string | undefined;
  /** Version in force; `''` before the first update. */
  readonly version: string;
  readonly resources: Readonly<Record<ResourceKind, number>>;
  /** Refused; an earlier version is in force, or none. */
  readonly rejected: readonly Problem[];
  /** In force without effect. */
  readonly unhonoured: readonly Problem[];
  /** References to what no source has delivered. */
  readonly dangling: readonly Problem[];
  /** Wall clock, milliseconds since 1970, of the last update that was put in force. */
  readonly lastUpdateMs: number | undefined;
}

/** What a store is made of, and whom it tells. Callbacks are called synchronously and must not throw, `onSnapshot` excepted. */
export interface ConfigStoreOptions {
  /** Names of the sources, in order of precedence. */
  readonly sources: readonly string[];
  readonly clock: Clock;
  /** Load balancing policies that clusters may name. */
  readonly policyNames: readonly string[];
  /** Throws when a known policy cannot be built with its options; the message names the path and the remedy. */
  readonly checkPolicyOptions?: (loadBalancing: LoadBalancingConfig, path: string) => void;
  /** Puts a snapshot in force: once per update. When it throws, the update is refused and it is called again with the one before. */
  readonly onSnapshot: (snapshot: Snapshot, changed: readonly ChangedResource[]) => void;
  /** The verdict on an update, after `onSnapshot`. */
  readonly onApplied?: (source: string, result: ApplyResult, version: string) => void;
  readonly onAbsent?: (source: string, want: Demand, reason: string) => void;
  readonly onStatus?: (source: string, status: ControlPlaneStatus) => void;
}

/** Where sources deliver to and the data plane reads from. */
export interface ConfigStore {
  /** Where this source delivers to. Throws a RangeError for a name that is not in `sources`. */
  sink(source: string): ConfigSink;
  snapshot(): Snapshot;
  status(): readonly SourceStatus[];
  /** Whether the source said that this does not exist and has not delivered it since. */
  isAbsent(source: string, want: Demand): boolean;
  /** The reason that it gave. */
  absenceReason(source: string, want: Demand): string | undefined;
  /** It is asked for anew: what the source said before does not count. */
  forgetAbsence(source: string, want: Demand): void;
  /** Resolves when the first update of the source is in force; rejects with MESH_CONTROL_PLANE when it fails before that. */
  firstUpdate(source: string): Promise<void>;
  /**
   * Resolves when a source that answers on demand can answer: it is connected, has said something, or serves what the disk has. Rejects
   * with MESH_CONTROL_PLANE when it fails before that.
   */
  firstAnswer(source: string): Promise<void>;
}

/** Makes a store. Throws a RangeError when a source is named twice. */
export function createConfigStore(options: ConfigStoreOptions): ConfigStore {
  const { clock } = options;
  const states = new Map(options.sources.map((name) => [name, new SourceState(name)]));
  if (states.size !== options.sources.length)
    throw new RangeError(`two control planes have the same name: ${options.sources.join(', ')}`);
  const waiters = new Map<SourceState, PromiseWithResolvers<void>>();
  const answerWaiters: typeof waiters = new Map();
  const policies = { policyNames: options.policyNames, checkPolicyOptions: options.checkPolicyOptions ?? (() => {}) };
  const knownVerdicts: KnownVerdicts = new WeakMap();
  let current = snapshotFrom(states.values());

  function stateOf(source: string): SourceState {
    const state = states.get(source);
    if (state === undefined) throw new RangeError(`there is no source "${source}"; there are ${options.sources.join(', ')}`);
    return state;
  }

  async function apply(state: SourceState, update: ConfigUpdate): Promise<ApplyResult> {
    const prepared = await prepareUpdate(state, update, policies, clock, knownVerdicts);
    const { accepted, rejected, changed, unhonoured } = prepared;
    // An update of which nothing was good leaves the version that is in force.
    const isGood = accepted.length > 0 || changed.length > 0 || rejected.length === 0;
    const fault = isGood ? swap(state, prepared, update.version) : undefined;
    if (fault !== undefined) {
      const refused = changed.map(({ kind, name }) => ({
        key: { kind, name },
        path: '',
        reason: `could not be put in force: ${fault}`,
      }));
      const problems = [...rejected, ...refused];
      for (const [key, own] of Map.groupBy(problems, (problem) => keyText(problem.key))) state.rejected.set(key, own);
      return { accepted: [], rejected: problems, unhonoured: [] };
    }
    prepared.remember();
    if (isGood) {
      state.lastUpdateMs = clock.wallNow();
      waiters.get(state)?.resolve();
      answered(state);
    }
    return { accepted, rejected, unhonoured };
  }

  function answered(state: SourceState): void {
    state.hasAnswered = true;
    answerWaiters.get(state)?.resolve();
  }

  /** Why the data plane did not take it, or undefined when it did. */
  function swap(state: SourceState, { draft, changed }: PreparedUpdate, version: string): string | undefined {
    const { resources, snapshot } = state;
    const before = current;
    state.resources = draft.resources();
    state.snapshot = snapshotOf(state.name, version, state.resources);
    current = snapshotFrom(states.values());
    try {
      options.onSnapshot(current, changed);
      return undefined;
    } catch (error) {
      current = before;
      state.resources = resources;
      state.snapshot = snapshot;
      options.onSnapshot(before, changed);
      return error instanceof Error ? error.message : String(error);
    }
  }

  function sinkOf(state: SourceState): ConfigSink {
    return {
      apply(update) {
        const result = state.queue.then(async () => {
          const verdict = await apply(state, update);
          options.onApplied?.(state.name, verdict, update.version);
          return verdict;
        });
        state.queue = result.catch(() => {}); // the caller has the rejection; the next update goes on
        return result;
      },
      async check(resource) {
        const { problems, notes } = await checkBeforehand(resource, policies, clock, knownVerdicts);
        const key = { kind: resource.kind, name: resource.name };
        return {
          rejected: problems.map((problem) => ({ key, ...problem })),
          unhonoured: notes.map((note) => ({ key, ...note })),
        };
      },
      absent(want, reason) {
        state.absences.add(want, reason);
        answered(state);
        options.onAbsent?.(state.name, want, reason);
      },
      status(status) {
        state.status = status;
        if (status.state === 'connected' || status.stale !== undefined) answered(state);
        if (status.state === 'failed') {
          if (state.lastUpdateMs === undefined) waiters.get(state)?.reject(failureOf(state));
          if (!state.hasAnswered) answerWaiters.get(state)?.reject(failureOf(state));
        }
        options.onStatus?.(state.name, status);
      },
    };
  }

  return {
    sink: (source) => sinkOf(stateOf(source)),
    snapshot: () => current,
    status: () => [...states.values()].map((state) => statusOf(state, current)),
    isAbsent: (source, want) => stateOf(source).absences.reason(want) !== undefined,
    absenceReason: (source, want) => stateOf(source).absences.reason(want),
    forgetAbsence: (source, want) => stateOf(source).absences.forget(want),
    async firstUpdate(source) {
      const state = stateOf(source);
      if (state.lastUpdateMs === undefined) await awaitedIn(waiters, state);
    },
    async firstAnswer(source) {
      const state = stateOf(source);
      if (!state.hasAnswered) await awaitedIn(answerWaiters, state);
    },
  };
}

/** Waits with the others who wait for this of the source; throws when it has failed. */
function awaitedIn(waiters: Map<SourceState, PromiseWithResolvers<void>>, state: SourceState): Promise<void> {
  if (state.status.state === 'failed') throw failureOf(state);
  let waiter = waiters.get(state);
  if (waiter === undefined) {
    waiter = Promise.withResolvers<void>();
    waiter.promise.catch(() => {}); // whoever waits has the rejection
    waiters.set(state, waiter);
  }
  return waiter.promise;
}

function failureOf({ name, status }: SourceState): MeshError {
  return new MeshError(
    'MESH_CONTROL_PLANE',
    `${name} has failed before its first update: ${status.error ?? 'it gave no reason'}`,
  );
}

function snapshotFrom(states: Iterable<SourceState>): Snapshot {
  const sources = [...states].map(({ snapshot }) => snapshot);
  const versions = sources.filter(({ version }) => version !== '').map(({ source, version }) => `${source}@${version}`);
  return Object.freeze({ version: versions.join(', '), sources: Object.freeze(sources) });
}

function statusOf(state: SourceState, snapshot: Snapshot): SourceStatus {
  const { status, resources } = state;
  return {
    source: state.name,
    state: status.state,
    error: status.error,
    problems: status.problems ?? [],
    stale: status.stale,
    server: status.server,
    version: state.snapshot.version,
    resources: Object.fromEntries(resourceKinds.map((kind) => [kind, resources[kind].size])) as Record<ResourceKind, number>,
    rejected: [...state.rejected.values()].flat(),
    unhonoured: [...state.unhonoured.values()].flat(),
    dangling: danglingReferences(snapshot, state.snapshot),
    lastUpdateMs: state.lastUpdateMs,
  };
}
