/** What the stores tell, as events. */
import type { ApplyResult, ControlPlaneStatus } from '../model/contracts.ts';
import type { IdentityEvent, IdentityStore } from '../security/identity-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

/** Tells of a change of an identity, or of one that was refused. */
export function publishIdentity(telemetry: Telemetry, identities: IdentityStore, event: IdentityEvent): void {
  if (event.type === 'identity-changed') {
    const { source, name, kind, change, generation } = event;
    telemetry.publish('identity:rotated', () => {
      const svid = kind === 'svid' ? identities.svid(name) : undefined;
      return {
        source,
        name,
        kind,
        change,
        generation,
        identity: svid?.spiffeId ?? svid?.dnsNames[0],
        expiresMs: (svid ?? (kind === 'trust-bundle' ? identities.trustBundle(name) : undefined))?.notAfterMs,
      };
    });
  } else if (event.type === 'identity-refused') {
    const { source, name, kind, reason } = event;
    telemetry.publish('identity:rejected', () => ({ source, name, kind, reason }));
  }
}

/** Resources of one update that an event names. */
const maxNamed = 20;

/** Tells what became of an update. */
export function publishApplied(telemetry: Telemetry, source: string, result: ApplyResult, version: string): void {
  const { accepted, rejected, unhonoured } = result;
  // One that only removes names nothing that it brings.
  if (accepted.length > 0 || rejected.length === 0)
    telemetry.publish('config:applied', () => ({
      source,
      version,
      accepted: accepted.length,
      resources: accepted.slice(0, maxNamed),
      unhonoured,
    }));
  if (rejected.length > 0) {
    telemetry.publish('config:rejected', () => ({
      source,
      version,
      reason: rejected.length === 1 ? 'a mistake' : `${rejected.length} mistakes`,
      problems: rejected,
    }));
  }
}

/**
 * Tells of the state of each source when it changes, and of an update that was refused as a whole. That connections end with the mesh
 * (`signal`) is no news.
 */
export function statusPublisher(telemetry: Telemetry, signal: AbortSignal): (source: string, status: ControlPlaneStatus) => void {
  const told = new Map<string, string>();
  return (source, { state, error, problems, refused }) => {
    if (signal.aborted) return;
    if (refused !== undefined)
      telemetry.publish('config:rejected', () => ({
        source,
        version: refused.version,
        reason: refused.reason,
        problems: problems ?? [],
      }));
    const words = `${state} ${error ?? ''}`;
    if (told.get(source) === words) return;
    told.set(source, words);
    telemetry.publish('control-plane:state', () => ({ source, state, error }));
  };
}
