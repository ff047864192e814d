/** What happens to an endpoint of five, from one moment on. `all-503` happens to all of them. */
export const faults = [
  { name: 'refused', title: 'connection refused, live ones reset' },
  { name: 'blackhole', title: 'accepted, never answered' },
  { name: '503', title: '503 always' },
  { name: '500', title: '500 always' },
  { name: '503-30-percent', title: '503 for 30 %' },
  { name: 'reset', title: 'reset on each request' },
  { name: 'truncated', title: 'body cut after the head' },
  { name: 'slow', title: '300 times slower' },
  { name: 'all-503', title: 'all five: 503' },
] as const;

export type FaultName = (typeof faults)[number]['name'];

/** Endpoints of a service. */
export const endpointCount = 5;
/** What a healthy endpoint takes; 300 times that is slow. */
export const healthyMs = 5;
export const slowMs = 300 * healthyMs;

/** Who answers for the endpoints: Envoy, the mesh under the same policy, the mesh as nobody configured it. */
export type Variant = 'envoy' | 'mesh-full' | 'mesh-defaults';

/** Key of a figure, for targets. */
export function faultKey(fault: FaultName, variant: Variant, what: 'lost' | 'to bad' | 'amplification'): string {
  return `faults: ${fault}: ${variant}: ${what}`;
}
