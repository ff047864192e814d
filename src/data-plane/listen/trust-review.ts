/** After a trust bundle has changed, or a policy names another one: which of the connections that are open would not be let in again. */
import { afterReading, type Clock } from '../../base/runtime.ts';
import type { SecretRef } from '../../model/tls.ts';
import type { CurrentTrustBundle, IdentityStore } from '../../security/identity-store.ts';
import { compileTrust, trustsNoFewer } from '../../security/still-trusted.ts';
import type { IncomingConnection } from './incoming-connection.ts';

/** Signatures of ten chains take about 2 ms: then others have their turn. */
const sliceLength = 10;

/**
 * Tells `onUnwelcome` of each connection whose certificate ends in no root of the bundle by which it would be verified now. With `name`,
 * only those are looked at for which that is the bundle. Roots that are added change nothing for anybody; otherwise chains are followed again, a few in each turn of the event loop.
 */
export function reviewTrust(
  name: SecretRef | undefined,
  connections: Iterable<IncomingConnection>,
  identities: IdentityStore,
  clock: Clock,
  onUnwelcome: (connection: IncomingConnection) => void,
): void {
  const byBundle = new Map<CurrentTrustBundle | undefined, IncomingConnection[]>();
  for (const connection of connections) {
    const { trust, trustName } = connection;
    if (trust === undefined || trustName === undefined || (name !== undefined && trustName !== name)) continue;
    const bundle = identities.trustBundle(trustName);
    if (bundle === trust) continue;
    const others = byBundle.get(bundle);
    if (others === undefined) byBundle.set(bundle, [connection]);
    else others.push(connection);
  }
  for (const [bundle, doubtful] of byBundle)
    if (bundle === undefined) doubtful.forEach(onUnwelcome);
    else review(bundle, doubtful, clock, onUnwelcome);
}

function review(
  bundle: CurrentTrustBundle,
  connections: readonly IncomingConnection[],
  clock: Clock,
  onUnwelcome: (connection: IncomingConnection) => void,
): void {
  const isCovered = new Map<CurrentTrustBundle, boolean>();
  const doubtful = connections.filter(({ trust }) => {
    let covered = isCovered.get(trust!);
    if (covered === undefined) isCovered.set(trust!, (covered = trustsNoFewer(bundle, trust!)));
    return !covered;
  });
  if (doubtful.length === 0) return;
  const isTrusted = compileTrust(bundle);
  const look = (): void => {
    for (const connection of doubtful.splice(0, sliceLength)) {
      const { identity, certificate } = connection.known?.connection ?? {};
      if (identity === undefined || certificate === undefined) continue;
      if (isTrusted(identity, certificate, clock.wallNow())) connection.trust = bundle;
      else onUnwelcome(connection);
    }
    if (doubtful.length > 0) afterReading(clock, look);
  };
  look();
}
