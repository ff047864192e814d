import { getGlobalDispatcher, type Dispatcher } from 'undici';
import { OutboundDispatcher } from './dispatcher.ts';

/** undici's own, which is there without anybody asking. */
const defaultDispatcher = getGlobalDispatcher();

/** The global dispatcher, when somebody chose it (a proxy agent, a mock). Undefined = undici's own, or that of a mesh. */
export function chosenDispatcher(): Dispatcher | undefined {
  const current = getGlobalDispatcher();
  const isDefault = current === defaultDispatcher && current.constructor.name === 'Agent';
  return isDefault || current instanceof OutboundDispatcher ? undefined : current;
}

/**
 * Where requests go that the mesh does not serve. A mesh that was made the global dispatcher stands in front of the one that was
 * there before it.
 */
export function fallbackDispatcher(previous: Dispatcher | undefined): Dispatcher | undefined {
  return getGlobalDispatcher() instanceof OutboundDispatcher ? previous : chosenDispatcher();
}
