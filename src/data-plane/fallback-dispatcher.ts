import { getGlobalDispatcher, type Dispatcher } from 'undici';
import { standsBefore } from '../base/stands-before.ts';
import { OutboundDispatcher } from './dispatcher.ts';

/** undici's own, which is there without anybody asking. */
const defaultDispatcher = getGlobalDispatcher();

/** The global dispatcher, when somebody chose it (a proxy agent, a mock). Undefined = undici's own, or that of a mesh. */
export function chosenDispatcher(): Dispatcher | undefined {
  const current = behind(getGlobalDispatcher());
  const isDefault = current === defaultDispatcher && current.constructor.name === 'Agent';
  return isDefault || current instanceof OutboundDispatcher ? undefined : current;
}

/**
 * Where requests go that the mesh does not serve. A mesh that was made the global dispatcher stands in front of the one that was
 * there before it.
 */
export function fallbackDispatcher(previous: Dispatcher | undefined): Dispatcher | undefined {
  return behind(getGlobalDispatcher()) instanceof OutboundDispatcher ? previous : chosenDispatcher();
}

/** Past those that only stand before another one, and would ask the mesh again. */
function behind(dispatcher: Dispatcher): Dispatcher {
  let found = dispatcher as Dispatcher & { readonly [standsBefore]?: Dispatcher };
  while (found[standsBefore] !== undefined) found = found[standsBefore];
  return found;
}
