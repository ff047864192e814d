/**
 * The slots in which the copies of undici keep the global dispatcher: that of Node, undici 6 and 7 read the first, undici 8 the second
 * and writes both. This file loads no undici, and is loaded before it: undici 8 puts an Agent of its own into both slots when it is
 * loaded, and what was there (a proxy agent; the one that Node itself sets for NODE_USE_ENV_PROXY) would be lost. And a function of a
 * package can be replaced for those who `import` it only while it is being loaded.
 */
import { onLoaded } from './loaded-packages.ts';

/** Under which undici looks for the global dispatcher. */
export const dispatcherSlots = [Symbol.for('undici.globalDispatcher.1'), Symbol.for('undici.globalDispatcher.2')] as const;
const [slotOfNode, slotOfUndici] = dispatcherSlots;

const scope = globalThis as Record<symbol, unknown>;

let isWatching = false;
/** What the slot of Node had before undici 8 came. Undefined = undici was there first. */
let ofNode: unknown;
let onSet: (() => void) | undefined;
const replaced = new WeakSet<object>();

/** Looks at what is there, and hears of dispatchers that are set from now on. Once; to be called before undici is loaded. */
export function watchDispatchers(): void {
  if (isWatching) return;
  isWatching = true;
  // Makes Node load its copy, which then has its dispatcher there.
  void globalThis.Response;
  if (scope[slotOfUndici] === undefined) ofNode = scope[slotOfNode];
  onLoaded('/undici/lib/global.js', replaceSetter);
  // It hands on the function of that file: only that of a copy which was loaded before is to be replaced here.
  onLoaded('/undici/index.js', replaceSetter);
}

function replaceSetter(exports: object): void {
  const { setGlobalDispatcher: original } = exports as { setGlobalDispatcher?: (this: void, dispatcher: unknown) => void };
  if (typeof original !== 'function' || replaced.has(original)) return;
  const setGlobalDispatcher = (dispatcher: unknown): void => {
    original(dispatcher);
    onSet?.();
  };
  replaced.add(setGlobalDispatcher);
  // A file of the program that has the same name may not let it be replaced.
  Reflect.set(exports, 'setGlobalDispatcher', setGlobalDispatcher);
}

/** Puts back what the slot of Node had before this package loaded undici. */
export function restoreSlotOfNode(): void {
  if (ofNode !== undefined) setSlot(slotOfNode, ofNode);
}

/** Calls back when the program has set a global dispatcher, by any copy of undici. Undefined: no longer. */
export function onDispatcherSet(listener: (() => void) | undefined): void {
  onSet = listener;
}

/** What is in a slot now. */
export function inSlot(slot: symbol): unknown {
  return scope[slot];
}

/** As undici itself does it. */
export function setSlot(slot: symbol, value: unknown): void {
  Object.defineProperty(globalThis, slot, { value, writable: true, enumerable: false, configurable: false });
}
