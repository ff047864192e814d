/**
 * Node's fetch as it is without undici in the program. Importing undici puts its own dispatcher behind Node's fetch; so this module
 * must be imported before anything that imports undici, and `useNodesOwnDispatcher` be called after.
 */
const globalDispatcher = Symbol.for('undici.globalDispatcher.1');

// Reading the class loads Node's copy of undici, which then puts its dispatcher in place.
const loaded = globalThis.Response.name === 'Response';
const own: unknown = loaded ? Reflect.get(globalThis, globalDispatcher) : undefined;

export function useNodesOwnDispatcher(): void {
  if (own === undefined) throw new Error('node-own.ts was imported too late: Node has no dispatcher of its own');
  Reflect.set(globalThis, globalDispatcher, own);
}
