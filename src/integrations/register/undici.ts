/**
 * The mesh in front of the global dispatcher of every copy of undici: built-in fetch, WebSocket and EventSource, and undici's own
 * functions where they are not told another dispatcher. What the mesh does not take goes to the dispatcher that was there, as it came. A
 * dispatcher that the program sets later (a proxy agent, a mock) comes behind the mesh in the same way.
 */
import { Dispatcher, Dispatcher1Wrapper } from 'undici';
import { standsBefore } from '../../base/stands-before.ts';
import { dispatcherSlots, inSlot, onDispatcherSet, restoreSlotOfNode, setSlot, watchDispatchers } from './global-dispatchers.ts';
import type { Steering } from './steering.ts';

/** Undici's types do not know it: turns the handlers of older copies into today's. */
const { wrapHandler } = Dispatcher1Wrapper as unknown as {
  readonly wrapHandler: (this: void, handler: object) => Dispatcher.DispatchHandler;
};

/** Limits of WebSocket and EventSource, which undici reads off its dispatcher. */
interface Receiving {
  readonly webSocketOptions?: unknown;
  readonly eventSourceOptions?: unknown;
}

/** Puts the mesh in front of the global dispatchers; returns what takes it away again. */
export function steerUndici(steering: Steering): () => void {
  const stand = (): void => {
    for (const slot of dispatcherSlots) {
      const there = inSlot(slot);
      if (!(there instanceof SteeringDispatcher)) setSlot(slot, new SteeringDispatcher(steering, there as Dispatcher));
    }
  };
  watchDispatchers();
  restoreSlotOfNode();
  stand();
  onDispatcherSet(stand);
  return () => {
    onDispatcherSet(undefined);
    for (const slot of dispatcherSlots) {
      let there = inSlot(slot);
      while (there instanceof SteeringDispatcher) there = there[standsBefore];
      setSlot(slot, there);
    }
  };
}

/** Takes what the mesh serves, and leaves the rest to another dispatcher. No `#private` fields, because `compose()` wraps it in a Proxy. */
class SteeringDispatcher extends Dispatcher {
  readonly [standsBefore]: Dispatcher;
  private readonly steering: Steering;

  constructor(steering: Steering, previous: Dispatcher) {
    super();
    this.steering = steering;
    this[standsBefore] = previous;
  }

  get webSocketOptions(): unknown {
    return (this[standsBefore] as Receiving).webSocketOptions;
  }

  get eventSourceOptions(): unknown {
    return (this[standsBefore] as Receiving).eventSourceOptions;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { origin } = options;
    const takes = origin === undefined || origin === null ? false : this.steering.takes(String(origin));
    if (typeof takes === 'boolean') return this.hand(takes, options, handler);
    const body = options.body as { on?: (event: 'error', listener: (error: Error) => void) => void } | null | undefined;
    let broken: Error | undefined;
    // A stream that fails unheard ends the process.
    body?.on?.('error', (error) => (broken ??= error));
    const fail = (error: Error): void => wrapHandler(handler).onResponseError?.(null as never, error);
    const go = (isTaken: boolean): void => {
      if (broken === undefined) this.hand(isTaken, options, handler);
      else fail(broken);
    };
    // What a dispatcher throws at once would end the process here.
    takes.then(go).catch(fail);
    return true;
  }

  private hand(isTaken: boolean, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { mesh } = this.steering;
    return (isTaken && mesh !== undefined ? mesh.dispatcher : this[standsBefore]).dispatch(options, handler);
  }

  /** The one behind it: the mesh is not closed by who closes the global dispatcher. */
  override close(...given: unknown[]): never {
    return this[standsBefore].close(...(given as [])) as never;
  }

  override destroy(...given: unknown[]): never {
    return this[standsBefore].destroy(...(given as [])) as never;
  }
}
