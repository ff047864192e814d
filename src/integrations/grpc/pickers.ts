/** What grpc-js asks for each call of a channel on the mesh: whom to give it to, which is always the same, or to keep it for now. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Metadata } from '@grpc/grpc-js';
import { pickOf, type Grpc, type Picker } from './grpc-js.ts';

/** What is known of a call when it is made, beside its metadata. */
export interface CallNote {
  /** Call credentials are in the metadata: of the call, or of its channel. */
  readonly hasCredentials: boolean;
  /** Runs something in the async context of the call; where it was queued. */
  readonly scope: Scope | undefined;
}

/** Runs a function in the async context that the scope was made in. */
export type Scope = <R>(run: () => R) => R;

/** Kept from the pick until the call is made of the same metadata. */
const credentialed = new WeakSet<Metadata>();
const scopes = new WeakMap<Metadata, Scope>();

/** What a call that is queued takes along, for {@link callConfig}. */
export function queuedScope(): { readonly scope: Scope } {
  return { scope: AsyncLocalStorage.snapshot() };
}

/** A picker that gives every call the same, and notes of it what {@link noteOf} says. */
export function pickerOf(grpc: Grpc, pick: ReturnType<Picker['pick']>): Picker {
  const { prototype } = grpc.Metadata;
  // The credentials of a call are merged into the metadata that was picked for, and nothing else is.
  function mergeCredentials(this: Metadata, other: Metadata): void {
    credentialed.add(this);
    prototype.merge.call(this, other);
  }
  return {
    pick({ metadata, extraPickInfo }) {
      metadata.merge = mergeCredentials;
      const { scope } = extraPickInfo as { scope?: Scope };
      if (scope !== undefined) scopes.set(metadata, scope);
      return pick;
    },
  };
}

/** Keeps calls until there is another picker. */
export function queueingPicker(grpc: Grpc): Picker {
  const pick = { ...pickOf(grpc, {}), pickResultType: grpc.experimental.PickResultType.QUEUE, subchannel: null };
  return { pick: () => pick };
}

/** What was noted when it was picked for a call of this metadata. */
export function noteOf(metadata: Metadata): CallNote {
  return { hasCredentials: credentialed.has(metadata), scope: scopes.get(metadata) };
}
