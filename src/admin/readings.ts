import type { LiveConfig } from '../data-plane/live-config.ts';
import type { IdentityStore } from '../security/identity-store.ts';
import type { TelemetrySource } from '../telemetry/readings.ts';

/** The gauges of a mesh, read whenever metrics are collected. */
export function gaugesOf(config: LiveConfig, identities: IdentityStore): TelemetrySource {
  return {
    *openConnections() {
      for (const cluster of config.clusters()) {
        for (const host of cluster.hosts) {
          for (const { origin, size, idleCount } of host.allConnections()) {
            const { hostname, port, protocol } = new URL(origin);
            const serverPort = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
            yield { cluster: cluster.name, serverAddress: hostname, serverPort, active: size - idleCount, idle: idleCount };
          }
        }
      }
    },
    *identities() {
      for (const { name } of identities.statuses()) {
        const svid = identities.svid(name);
        if (svid !== undefined) yield { name, expiresMs: svid.notAfterMs };
      }
    },
  };
}
