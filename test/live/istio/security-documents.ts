import type { IstioDocument } from './istiod.ts';

const namespace = 'shop';
const security = 'security.istio.io/v1';
const selector = { matchLabels: { app: 'web' } };

/** A PeerAuthentication of the workload of the tests. */
export function peersOf(mode: 'STRICT' | 'PERMISSIVE' | 'DISABLE'): IstioDocument {
  return {
    apiVersion: security,
    kind: 'PeerAuthentication',
    metadata: { name: 'web', namespace },
    spec: { selector, mtls: { mode } },
  };
}

/** An AuthorizationPolicy of the workload. */
export function accessOf(name: string, spec: object, isDryRun = false): IstioDocument {
  const annotations = isDryRun ? { annotations: { 'istio.io/dry-run': 'true' } } : {};
  return {
    apiVersion: security,
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace, ...annotations },
    spec: { selector, ...spec },
  };
}

/** A RequestAuthentication of the workload. */
export function tokensOf(jwtRules: readonly object[]): IstioDocument {
  return {
    apiVersion: security,
    kind: 'RequestAuthentication',
    metadata: { name: 'web', namespace },
    spec: { selector, jwtRules },
  };
}
