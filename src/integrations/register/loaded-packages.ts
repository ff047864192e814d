/**
 * Hears of packages that the program loads, however it does (`import` or `require`) and however many copies there are. The text of their
 * module gets one line at its end, which calls back with the exports before anybody else has them: so a function there can be replaced
 * for importers too, whose bindings are made when the module has run.
 */
import { createRequire, registerHooks } from 'node:module';

/** Gets the exports of a module that has just run, and its file. */
export type LoadedListener = (exports: object, file: string) => void;

/** Who listens, by the end of the path. Called with what has been loaded. */
interface Watch {
  (exports: unknown, file: string): void;
  readonly listeners: Map<string, Set<LoadedListener>>;
}

const key = Symbol.for('meshfetch.register.loaded');
/** A file of the program may end in the same path and be an ES module, which has neither name. */
const calledBack = `\n;typeof module === 'object' && typeof __filename === 'string' && globalThis[Symbol.for('meshfetch.register.loaded')]?.(module.exports, __filename);`;

/**
 * Calls back for each copy of the module whose path ends so (`/undici/index.js`), loaded already or later, until the function that it
 * returns is called. A copy that was bundled into another file is not seen.
 */
export function onLoaded(path: string, listener: LoadedListener): () => void {
  const scope = globalThis as { [key]?: Watch };
  const { listeners } = (scope[key] ??= startWatch());
  const those = listeners.get(path) ?? new Set();
  listeners.set(path, those.add(listener));
  for (const [file, loaded] of Object.entries(createRequire(import.meta.url).cache))
    if (loaded?.loaded === true && withSlashes(file).endsWith(path) && isObject(loaded.exports)) listener(loaded.exports, file);
  return () => void those.delete(listener);
}

function startWatch(): Watch {
  const listeners = new Map<string, Set<LoadedListener>>();
  const listenersOf = (path: string): Set<LoadedListener> | undefined => {
    for (const [end, those] of listeners) if (path.endsWith(end)) return those;
    return undefined;
  };
  registerHooks({
    load(url, context, next) {
      const result = next(url, context);
      if (!url.startsWith('file:') || listenersOf(url) === undefined) return result;
      const { source } = result;
      if (source === undefined || source === null) return result;
      const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString();
      return { ...result, source: `${text}${calledBack}` };
    },
  });
  const tell = (exports: unknown, file: string): void => {
    if (!isObject(exports)) return;
    for (const listener of listenersOf(withSlashes(file)) ?? []) listener(exports, file);
  };
  return Object.assign(tell, { listeners });
}

/** What a module exports may be anything. */
function isObject(exports: unknown): exports is object {
  return typeof exports === 'object' && exports !== null;
}

function withSlashes(file: string): string {
  return file.replaceAll('\\', '/');
}
