/**
 * Checks an update resource by resource and prepares what it changes, beside what is in force. Nothing is put in force here, so that
 * a source may go away in the middle of it. Order: removals first, then what is set; a resource that is named in both stays.
 */
import { isPatternEngineLoaded, loadPatternEngine } from '../base/pattern.ts';
import { yieldToLoop, type Clock } from '../base/runtime.ts';
import type { ConfigUpdate, Problem } from '../model/contracts.ts';
import type { RouteTableConfig } from '../model/route.ts';
import type { Resource, ResourceKey, ResourceKind, ResourceTypes } from '../model/snapshot.ts';
import { Draft, keyText, type SourceState } from './source-state.ts';
import type { KnownPolicies } from './validate/cluster.ts';
import { equalData, freezeData, type Sliced } from './validate/plain-data.ts';
import { checkResource, resourceKinds, type Verdict } from './validate/resource.ts';

/** One resource that is not what it was. */
export interface ChangedResource extends ResourceKey {
  readonly source: string;
  readonly change: 'set' | 'removed';
}

/** An update, checked, and what it makes of the resources of its source. */
export interface PreparedUpdate {
  readonly draft: Draft;
  readonly accepted: readonly ResourceKey[];
  readonly rejected: readonly Problem[];
  readonly unhonoured: readonly Problem[];
  readonly changed: readonly ChangedResource[];
  /** Records in the state what was refused, what has no effect, and what is over with. */
  remember(): void;
}

const sliceMs = 1; // a request that arrives meanwhile waits no longer than this
const maxRoutes = 100_000; // of one source

/** Checks an update. Pauses for a turn of the event loop about every millisecond. */
export async function prepareUpdate(
  state: SourceState,
  update: ConfigUpdate,
  policies: KnownPolicies,
  clock: Clock,
  known: KnownVerdicts,
): Promise<PreparedUpdate> {
  const draft = new Draft(state.resources);
  const changed = new Map<string, ChangedResource>();
  const rejected: Problem[] = [];
  const unhonoured: Problem[] = [...(update.unhonoured ?? [])];
  const accepted: Resource[] = [];
  const notes = new Map<string, Verdict['notes']>();
  const run = slicer(clock);

  const removed = removals(state, update, rejected);
  for (const key of removed) {
    if (draft.remove(key)) changed.set(keyText(key), { kind: key.kind, name: key.name, source: state.name, change: 'removed' });
  }
  const counts = new Map<string, number>();
  for (const resource of update.set) counts.set(keyText(resource), (counts.get(keyText(resource)) ?? 0) + 1);
  let routes: number | undefined;

  for (const resource of update.set) {
    const text = keyText(resource);
    const key: ResourceKey = { kind: resource.kind, name: shortened(resource.name) };
    const count = counts.get(text)!;
    if (count !== 1) {
      // Reported with the first of them.
      if (count > 1)
        rejected.push({ key, path: '', reason: `is there ${count} times in one update; which one is meant cannot be known` });
      counts.set(text, 0);
      continue;
    }
    const before = resourceKinds.includes(resource.kind) ? state.resources[resource.kind].get(resource.name) : undefined;
    const verdict = await judge(resource, before, state.notes.get(text) ?? [], policies, known, run);
    for (const problem of verdict.problems) rejected.push({ key, ...problem });
    if (verdict.problems.length > 0) continue;
    if (resource.kind === 'route-table') {
      routes ??= routesOf([...draft.map('route-table').values()]);
      const total =
        routes - routesOf([draft.map('route-table').get(resource.name)]) + routesOf([verdict.value as RouteTableConfig]);
      if (total > maxRoutes) {
        rejected.push({ key, path: '', reason: `brings the routes of the source to ${total}; at most ${maxRoutes} are allowed` });
        continue;
      }
      routes = total;
    }
    accepted.push(resource);
    notes.set(text, verdict.notes);
    for (const note of verdict.notes) unhonoured.push({ key, ...note });
    if (verdict.value !== before) changed.set(text, { ...key, source: state.name, change: 'set' });
    else if (!changed.delete(text)) continue; // it was not removed just before, so that the draft has it
    draft.set(key, verdict.value);
  }

  return {
    draft,
    accepted: accepted.map(({ kind, name }) => ({ kind, name })),
    rejected,
    unhonoured,
    changed: [...changed.values()],
    remember() {
      const refused = Map.groupBy(rejected, ({ key }) => keyText(key));
      for (const key of [...removed, ...accepted, ...unhonoured.map((problem) => problem.key)].map(keyText)) {
        // What a refused version would have left without effect is not in force; what the last good one does stays.
        if (refused.has(key)) continue;
        state.rejected.delete(key);
        state.unhonoured.delete(key);
        state.notes.delete(key);
      }
      for (const [key, problems] of refused) state.rejected.set(key, problems);
      for (const [key, problems] of Map.groupBy(unhonoured, (problem) => keyText(problem.key))) {
        if (!refused.has(key)) state.unhonoured.set(key, problems);
      }
      for (const [key, found] of notes) if (found.length > 0) state.notes.set(key, found);
      for (const resource of accepted) state.absences.delivered(resource);
    },
  };
}

/** Verdicts on values that were checked before they are applied. */
export type KnownVerdicts = WeakMap<object, Verdict>;

/** Checks a resource beside what is in force, and remembers the verdict on its value. */
export async function checkBeforehand(
  resource: Resource,
  policies: KnownPolicies,
  clock: Clock,
  known: KnownVerdicts,
): Promise<Verdict> {
  const verdict = await verdictOn(resource, policies, slicer(clock));
  if (typeof resource.value === 'object') known.set(resource.value, verdict);
  return verdict;
}

type Run = <T>(work: Sliced<T>) => Promise<T>;

async function verdictOn(resource: Resource, policies: KnownPolicies, run: Run): Promise<Verdict> {
  const verdict = await run(checkResource(resource, policies));
  if (!verdict.hasPatterns || isPatternEngineLoaded()) return verdict;
  await loadPatternEngine();
  return run(checkResource(resource, policies));
}

/** The verdict on a resource; one that equals the version in force needs no check and keeps its object. */
async function judge(
  resource: Resource,
  before: ResourceTypes[ResourceKind] | undefined,
  notes: Verdict['notes'],
  policies: KnownPolicies,
  known: KnownVerdicts,
  run: Run,
): Promise<Verdict> {
  if (before !== undefined && (await run(equalData(before, resource.value)))) return { problems: [], notes, value: before };
  const isSameName = (resource.value as { readonly name?: unknown } | null)?.name === resource.name;
  const verdict = (isSameName && known.get(resource.value)) || (await verdictOn(resource, policies, run));
  if (verdict.problems.length > 0) return verdict;
  // Repeated endpoints that were taken out again may leave what is in force.
  if (verdict.value !== resource.value && before !== undefined && (await run(equalData(before, verdict.value)))) {
    return { ...verdict, value: before };
  }
  await run(freezeData(verdict.value));
  return verdict;
}

/** What the update takes away: by name, and by leaving it out of "this is all there is". */
function removals(state: SourceState, update: ConfigUpdate, rejected: Problem[]): readonly ResourceKey[] {
  const keys = [...update.remove];
  const named = new Set(update.set.map(keyText));
  for (const kind of update.replaces ?? []) {
    const present = state.resources[kind];
    if (update.set.length === 0 && update.remove.length === 0 && present.size > 0) {
      const reason = `the update says that nothing is left; all ${present.size} stay in force until they are removed by name`;
      rejected.push({ key: { kind, name: '*' }, path: '', reason });
      continue;
    }
    const known = [...present.keys()].map((name): ResourceKey => ({ kind, name }));
    for (const problems of [...state.rejected.values(), ...state.unhonoured.values()]) known.push(problems[0]!.key);
    for (const key of known) if (key.kind === kind && !named.has(keyText(key))) keys.push(key);
  }
  return keys;
}

function routesOf(tables: readonly (RouteTableConfig | undefined)[]): number {
  let count = 0;
  for (const table of tables) for (const host of table?.virtualHosts ?? []) count += host.routes.length;
  return count;
}

/** Names come from outside and may be anything; what is too long for a name would fill every report. */
function shortened(name: unknown): string {
  const text = String(name);
  return text.length > 1024 ? `${text.slice(0, 80)}…` : text;
}

/** Runs sliced work, with a turn of the event loop whenever a slice is over. */
function slicer(clock: Clock): Run {
  let endMs = clock.now() + sliceMs;
  return async (work) => {
    for (;;) {
      // Also before the first step: ten thousand small resources are as long as one large one.
      if (clock.now() >= endMs) {
        await yieldToLoop();
        endMs = clock.now() + sliceMs;
      }
      const step = work.next();
      if (step.done) return step.value;
    }
  };
}
