/** After a trust bundle has changed: which of the connections that are open would not be let in again. */
import { afterReading, type Clock } from '../../base/runtime.ts';
import type { SecretRef } from '../../model/tls.ts';
import type { CurrentTrustBundle, IdentityStore } from '../../security/identity-store.ts';
import { compileTrust, trustsNoFewer } from '../../security/still-trusted.ts';
import type { IncomingConnection } from './incoming-connection.ts';

/** Signatures of ten chains take about 2 ms: then others have their turn. */
const sliceLength = 10;

/**
 * Tells `onUnwelcome` of each connection whose certificate was verified against the bundle `name` and ends in none of its roots now.
 * Roots that are added change nothing for anybody; otherwise chains are followed again, a few in each turn of the event loop.
 */
export function reviewTrust(
  name: SecretRef,
  connections: Iterable<IncomingConnection>,
  identities: IdentityStore,
  clock: Clock,
  onUnwelcome: (connection: IncomingConnection) => void,
): void {
  const bundle = identities.trustBundle(name);
  const isCovered = new Map<CurrentTrustBundle, boolean>();
  const doubtful = [...connections].filter((connection) => {
    const { trust } = connection;
    if (trust === undefined || trust.name !== name || trust === bundle) return false;
    let covered = isCovered.get(trust);
    if (covered === undefined) isCovered.set(trust, (covered = bundle !== undefined && trustsNoFewer(bundle, trust)));
    return !covered;
  });
  if (doubtful.length === 0) return;
  if (bundle === undefined) {
    doubtful.forEach(onUnwelcome);
    return;
  }
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
