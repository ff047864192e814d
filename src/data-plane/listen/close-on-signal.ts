/**
 * Signals that close a port: SIGTERM of an orchestrator that takes the process away. While somebody listens to a signal Node does not end
 * the process by it, and after the port has closed nothing else may do so: the signal is then sent again, unless somebody else listens
 * to it (the program, or another port that still drains), who decides in our place. A second signal closes at once.
 */

/** What is done on a signal. */
export interface ClosesOnSignal {
  /** Lets requests finish. */
  close(): Promise<void>;
  /** Cuts what is left; `close` resolves then. */
  cut(): void;
}

/** Where signals come from. */
export type SignalSource = Pick<NodeJS.Process, 'on' | 'off' | 'listenerCount' | 'kill' | 'pid'>;

/** Listens to signals; what it returns stops that. */
export function closeOnSignal(
  signals: readonly NodeJS.Signals[],
  what: ClosesOnSignal,
  source: SignalSource = process,
): () => void {
  let isClosing = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isClosing) {
      what.cut();
      return;
    }
    isClosing = true;
    const end = (): void => {
      stop();
      if (source.listenerCount(signal) === 0) source.kill(source.pid, signal);
    };
    what.close().then(end, end);
  };
  const stop = (): void => {
    for (const signal of signals) source.off(signal, onSignal);
  };
  for (const signal of signals) source.on(signal, onSignal);
  return stop;
}
