/**
 * The certificates and trust bundles in force, by name. Sources write, connectors read, the data plane watches. Bad material is
 * refused with a reason and what was there stays; each accepted change gets the next number (its generation), by which TLS
 * contexts, sessions and connections are tied to exactly the material that they were made with.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/runtime.ts';
import type { ControlPlaneStatus, IdentitySink } from '../model/contracts.ts';
import type { Svid, TrustBundle } from '../model/identity.ts';
import type { SecretRef } from '../model/tls.ts';
import { checkSvid, checkTrustBundle, type Checked, type FederatedBundle } from './identity-material.ts';
import { identityStatus, type IdentityEntry, type IdentityStatus } from './identity-status.ts';

export type { IdentityStatus } from './identity-status.ts';

/** An SVID in force. */
export interface CurrentSvid extends Svid {
  readonly generation: number;
  readonly spiffeId?: string;
  readonly dnsNames: readonly string[];
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A trust bundle in force. */
export interface CurrentTrustBundle extends Omit<TrustBundle, 'federated'> {
  readonly generation: number;
  /** Certificates that have not expired. */
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly notAfterMs: number;
  readonly federated: readonly FederatedBundle[];
}

/** A change of what is in force. */
export interface IdentityChange {
  readonly name: SecretRef;
  readonly kind: 'svid' | 'trust-bundle';
  readonly change: 'set' | 'removed';
  readonly generation: number;
}

/** For the events of the mesh: changes, and what was refused and why. */
export type IdentityEvent =
  | ({ readonly type: 'identity-changed'; readonly source: string } & IdentityChange)
  | {
      readonly type: 'identity-refused';
      readonly source: string;
      readonly name: SecretRef;
      readonly kind: 'svid' | 'trust-bundle';
      readonly reason: string;
    }
  | ({ readonly type: 'identity-source'; readonly source: string } & ControlPlaneStatus);

/** The store itself takes material of the source `'mesh'`. */
export interface IdentityStore extends IdentitySink {
  /** Where a source delivers to. A name belongs to the source that set it first, until that source removes it. */
  sinkOf(source: string): IdentitySink;
  svid(name: SecretRef): CurrentSvid | undefined;
  trustBundle(name: SecretRef): CurrentTrustBundle | undefined;
  /** Calls back after each change. The returned function stops it. */
  watch(listener: (change: IdentityChange) => void): () => void;
  statuses(): readonly IdentityStatus[];
  /** Sources that have not been connected yet, with their state. */
  awaited(): readonly AwaitedSource[];
  /** Calls back once, when something was delivered or a source has another state. The returned function stops it. */
  onNext(listener: () => void): () => void;
}

/** A source that may still bring what is missing: `connecting` = at its first attempt, `disconnected` = that failed. */
export interface AwaitedSource {
  readonly source: string;
  readonly state: 'connecting' | 'disconnected';
  readonly error?: string;
}

type Verdict = ReturnType<IdentitySink['setSvid']>;

/** Makes an empty store. Certificates are judged by the wall clock. */
export function createIdentityStore(options: {
  readonly clock: Clock;
  readonly onEvent?: (event: IdentityEvent) => void;
}): IdentityStore {
  const { clock, onEvent } = options;
  const entries = new Map<SecretRef, IdentityEntry>();
  const sourceStatuses = new Map<string, ControlPlaneStatus>();
  const listeners = new Set<(change: IdentityChange) => void>();
  const nextListeners = new Set<() => void>();
  /** Sources that were connected once: what they have not brought by then is not on its way. */
  const wasConnected = new Set<string>();
  let lastGeneration = 0;

  const wakeNext = (): void => {
    const woken = [...nextListeners];
    nextListeners.clear();
    for (const listener of woken) listener();
  };
  const announce = (source: string, change: IdentityChange): void => {
    onEvent?.({ type: 'identity-changed', source, ...change });
    for (const listener of listeners) listener(change);
    wakeNext();
  };
  /** `put` keeps it, and says false when it is what is there already. */
  const offer = <T>(
    source: string,
    name: SecretRef,
    kind: IdentityChange['kind'],
    checked: Checked<T>,
    put: (entry: IdentityEntry, good: T, generation: number) => boolean,
  ): Verdict => {
    const entry = entries.get(name) ?? { source, refused: {} };
    const refuse = (reason: string): Verdict => {
      onEvent?.({ type: 'identity-refused', source, name, kind, reason });
      return { ok: false, reason };
    };
    if (entry.source !== source) {
      return refuse(`the name ${JSON.stringify(name)} belongs to the source ${entry.source}; use another name`);
    }
    entries.set(name, entry);
    if (!checked.ok) {
      entry.refused[kind] = checked.reason;
      return refuse(checked.reason);
    }
    delete entry.refused[kind];
    if (put(entry, checked.value, lastGeneration + 1)) {
      lastGeneration += 1;
      announce(source, { name, kind, change: 'set', generation: lastGeneration });
    }
    return { ok: true };
  };

  const sinkOf = (source: string): IdentitySink => ({
    setSvid: (svid) =>
      offer(source, svid.name, 'svid', checkSvid(svid, clock.wallNow()), (entry, checked, generation) => {
        if (
          entry.svid?.certificateChain === checked.certificateChain &&
          entry.svid.privateKey.reveal() === svid.privateKey.reveal()
        ) {
          return false;
        }
        entry.svid = { name: svid.name, privateKey: svid.privateKey, generation, ...checked };
        return true;
      }),
    setTrustBundle: (bundle) =>
      offer(source, bundle.name, 'trust-bundle', checkTrustBundle(bundle, clock.wallNow()), (entry, checked, generation) => {
        const { trustBundle: old } = entry;
        const isSame = old?.certificates === checked.certificates && old.trustDomain === bundle.trustDomain;
        if (isSame && isDeepStrictEqual(old.federated, checked.federated)) return false;
        entry.trustBundle = { ...bundle, generation, ...checked };
        return true;
      }),
    remove(name) {
      const entry = entries.get(name);
      if (entry === undefined || entry.source !== source) return;
      entries.delete(name);
      for (const kind of ['svid', 'trust-bundle'] as const) {
        if ((kind === 'svid' ? entry.svid : entry.trustBundle) === undefined) continue;
        lastGeneration += 1;
        announce(source, { name, kind, change: 'removed', generation: lastGeneration });
      }
    },
    status(status) {
      sourceStatuses.set(source, status);
      if (status.state === 'connected') wasConnected.add(source);
      onEvent?.({ type: 'identity-source', source, ...status });
      wakeNext();
    },
  });

  return {
    ...sinkOf('mesh'),
    sinkOf,
    svid: (name) => entries.get(name)?.svid,
    trustBundle: (name) => entries.get(name)?.trustBundle,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    awaited: () =>
      [...sourceStatuses].flatMap(([source, { state, error }]) =>
        wasConnected.has(source) || (state !== 'connecting' && state !== 'disconnected')
          ? []
          : [{ source, state, ...(error !== undefined && { error }) }],
      ),
    onNext(listener) {
      nextListeners.add(listener);
      return () => nextListeners.delete(listener);
    },
    statuses: () =>
      [...entries].map(([name, entry]) => identityStatus(name, entry, sourceStatuses.get(entry.source), clock.wallNow())),
  };
}
