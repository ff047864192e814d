import type { ControlPlaneStatus } from '../model/contracts.ts';
import type { SecretRef } from '../model/tls.ts';
import type { FederatedBundle } from './identity-material.ts';
import type { CurrentSvid, CurrentTrustBundle } from './identity-store.ts';

/** What the store keeps under one name. */
export interface IdentityEntry {
  readonly source: string;
  svid?: CurrentSvid;
  trustBundle?: CurrentTrustBundle;
  /** Why the last offer was refused. */
  readonly refused: { svid?: string; 'trust-bundle'?: string };
}

/** One name for `mesh.status()`. Holds no key material. */
export interface IdentityStatus {
  readonly name: SecretRef;
  readonly source: string;
  readonly svid?: {
    readonly spiffeId?: string;
    readonly dnsNames: readonly string[];
    readonly generation: number;
    readonly state: 'valid' | 'not-yet-valid' | 'expired';
    /** Milliseconds since 1970. */
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
    /** Days until it expires, rounded down to hundredths (a quarter of an hour): mesh certificates live for hours. Negative afterwards. */
    readonly daysLeft: number;
  };
  readonly trustBundle?: {
    readonly trustDomain?: string;
    readonly certificates: number;
    readonly generation: number;
    readonly state: 'valid' | 'expired';
    readonly notAfterMs: number;
    readonly daysLeft: number;
    /** Trust domains whose peers are trusted beside those of our own; absent where there is none. */
    readonly federated?: readonly Omit<FederatedBundle, 'certificates'>[];
  };
  /** Why the last offer was refused; absent when the last one was taken. */
  readonly refused?: string;
  /** What the source says of itself. */
  readonly sourceStatus?: ControlPlaneStatus;
}

const dayMs = 86_400_000;

function daysUntil(endMs: number, nowMs: number): number {
  return Math.floor((100 * (endMs - nowMs)) / dayMs) / 100;
}

/** The view of one name at the wall-clock time `nowMs`. */
export function identityStatus(
  name: SecretRef,
  entry: IdentityEntry,
  sourceStatus: ControlPlaneStatus | undefined,
  nowMs: number,
): IdentityStatus {
  const { svid, trustBundle } = entry;
  const refused = Object.values(entry.refused);
  return {
    name,
    source: entry.source,
    ...(svid && {
      svid: {
        ...(svid.spiffeId !== undefined && { spiffeId: svid.spiffeId }),
        dnsNames: svid.dnsNames,
        generation: svid.generation,
        state: nowMs > svid.notAfterMs ? 'expired' : nowMs < svid.notBeforeMs ? 'not-yet-valid' : 'valid',
        notBeforeMs: svid.notBeforeMs,
        notAfterMs: svid.notAfterMs,
        daysLeft: daysUntil(svid.notAfterMs, nowMs),
      },
    }),
    ...(trustBundle && {
      trustBundle: {
        ...(trustBundle.trustDomain !== undefined && { trustDomain: trustBundle.trustDomain }),
        certificates: trustBundle.count,
        generation: trustBundle.generation,
        state: nowMs > trustBundle.notAfterMs ? 'expired' : 'valid',
        notAfterMs: trustBundle.notAfterMs,
        daysLeft: daysUntil(trustBundle.notAfterMs, nowMs),
        ...(trustBundle.federated.length > 0 && {
          federated: trustBundle.federated.map(({ certificates: _certificates, ...bundle }) => bundle),
        }),
      },
    }),
    ...(refused.length > 0 && { refused: refused.join('; ') }),
    ...(sourceStatus && { sourceStatus }),
  };
}
