/**
 * `NODE_DEBUG=meshfetch`: the decisions of the mesh, one line each, on stderr. The printer is a subscriber like any other, so the
 * request path has one way of telling and pays nothing while nobody asks.
 */
import { debuglog } from 'node:util';
import { subscribe } from './channels.ts';
import { debugLine, printedEvents } from './debug-lines.ts';

/** Prints every event that has a line; returns what ends that. */
export function printEvents(print: (line: string) => void): () => void {
  const ends = printedEvents.map((name) => subscribe(name, (event) => print(debugLine(name, event))));
  return () => {
    for (const end of ends) end();
  };
}

const startedKey = Symbol.for('meshfetch.debug');

/** Starts the printer once per process when NODE_DEBUG names `meshfetch`: the channels are shared by all copies of the package. */
export function startDebug(): void {
  const log = debuglog('meshfetch');
  const shared = globalThis as unknown as Record<symbol, boolean | undefined>;
  if (!log.enabled || shared[startedKey] === true) return;
  shared[startedKey] = true;
  printEvents((line) => log('%s', line));
}
