/**
 * What an inbound request hands on to the requests that are made on its behalf: how long its caller still waits, and how much it
 * matters. It travels by AsyncLocalStorage, so that code in between needs no parameter for it. The storage stands under
 * `Symbol.for`, because several copies of this package may live in one process.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * How much it matters that a request is served; what is sheddable is refused first. Source: Site Reliability Engineering,
 * chapter 21, "criticality".
 */
export type Criticality = 'critical-plus' | 'critical' | 'sheddable-plus' | 'sheddable';

/** What is known of the request that this process is serving. */
export interface RequestContext {
  /** Monotonic milliseconds (`Clock.now()`) at which its caller stops waiting. Absolute, so that time spent here is subtracted. */
  readonly deadlineMs?: number;
  /** Absent = `critical` (the default of the SRE book). */
  readonly criticality?: Criticality;
  /** Which attempt of its caller this is; above 1 = a retry (`x-envoy-attempt-count`). */
  readonly attempt?: number;
  /** Headers that requests made on its behalf carry too, unless they have them: what the policy of the way in names. Lower case. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Whether the peer that sent it may say how much it matters. */
  readonly isTrusted: boolean;
}

const key = Symbol.for('meshfetch.request-context');

/** What all copies of this package share; without a storage until somebody runs with a context. */
interface Shared {
  storage: AsyncLocalStorage<RequestContext> | undefined;
}

/** Kept here, because every request asks: a look-up in the global object costs as much as the storage itself. */
let known: Shared | undefined;

function shared(): Shared {
  return (known ??= (globalThis as { [key]?: Shared })[key] ??= { storage: undefined });
}

/** The context of the request that this code serves, or undefined. */
export function currentRequest(): RequestContext | undefined {
  return (known ?? shared()).storage?.getStore();
}

/** Calls `work`; what it starts, now and later, sees `context` as its current request. */
export function runWithRequest<T>(context: RequestContext, work: () => T): T {
  const storage = (shared().storage ??= new AsyncLocalStorage<RequestContext>());
  return storage.run(context, work);
}

/** Calls `work`; what it starts, now and later, has no current request. */
export function runWithoutRequest<T>(work: () => T): T {
  const { storage } = shared();
  return storage === undefined ? work() : storage.run(undefined as never, work);
}
