import { dnsControlPlane } from '../../../src/control-plane/dns/index.ts';
import { safeDefaults, type HostDefaults } from '../../../src/control-plane/safe-defaults.ts';
import type { Surroundings } from './surroundings.ts';

/** This source resolves nothing itself, so that its world is the defaults; what cannot be used is a host that is none. */
export async function dnsSurroundings(): Promise<Surroundings> {
  let defaults: HostDefaults = safeDefaults;
  const plane = dnsControlPlane({ defaults: () => defaults });
  return {
    plane,
    wanted: { kind: 'authority', host: 'orders', port: 80 },
    unknown: { kind: 'authority', host: 'no host', port: 80 },
    async publish(number) {
      defaults = { ...safeDefaults, cluster: { ...safeDefaults.cluster, connectTimeoutMs: 7000 + number } };
      plane.defaultsChanged();
    },
    async spoil() {
      plane.demand({ kind: 'authority', host: 'spoiled host', port: 80 }, new AbortController().signal);
    },
    isInForce: ({ clusters }, number) =>
      [...clusters.values()].some(({ connectTimeoutMs }) => connectTimeoutMs === 7000 + number),
    async [Symbol.asyncDispose]() {},
  };
}
