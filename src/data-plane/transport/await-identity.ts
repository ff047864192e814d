import type { Clock } from '../../base/runtime.ts';
import type { IdentityStore } from '../../security/identity-store.ts';
import type { TlsContext } from '../../security/tls-context.ts';

/**
 * Waits for an identity that a source is about to bring: one that comes over the network is not there when the first requests are. Calls
 * back with the context, or with the reason when no source is at its first attempt any more, or after `timeoutMs`. False = nothing
 * is on its way, and nobody is called.
 */
export function awaitIdentity(
  identities: IdentityStore,
  contextNow: () => TlsContext | string,
  limits: { readonly clock: Clock; readonly timeoutMs: number },
  settled: (context: TlsContext | string) => void,
): boolean {
  const isOnItsWay = (): boolean => identities.awaited().some(({ state }) => state === 'connecting');
  if (!isOnItsWay()) return false;
  let isOver = false;
  const end = (): void => {
    timer.cancel();
    stop();
    settled(contextNow());
  };
  const look = (): void => {
    if (isOver) return;
    isOver = typeof contextNow() !== 'string' || !isOnItsWay();
    if (isOver) end();
    else stop = identities.onNext(look);
  };
  let stop = identities.onNext(look);
  const timer = limits.clock.setTimer(() => {
    isOver = true;
    end();
  }, limits.timeoutMs);
  return true;
}
