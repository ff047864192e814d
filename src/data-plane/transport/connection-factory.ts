/**
 * Makes the connections of hosts: chooses TLS and protocol, builds the connector, replaces connections when an identity was
 * rotated.
 */
import { AsyncResource } from 'node:async_hooks';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/runtime.ts';
import type { UpstreamTls } from '../../model/tls.ts';
import type { IdentityStore } from '../../security/identity-store.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { PriorityLimits } from '../resilience/limits.ts';
import type { OriginEntry } from '../live-config.ts';
import type { WantedProtocol } from '../wanted-protocol.ts';
import { http2UseOf } from './application-protocols.ts';
import { createConnector } from './connect.ts';
import type { HostConnectionsOptions } from './connection.ts';
import { GivenConnections, type EndpointDispatcher } from './given-connections.ts';
import { HostConnections } from './host-connections.ts';

/** Every connection of a mesh: made, handed out, replaced and closed here. */
export interface ConnectionFactory {
  /** The stack for requests of this origin; made on first use. */
  connectionsOf(
    cluster: Cluster,
    host: Host,
    entry: OriginEntry,
    wanted: WantedProtocol,
    limits: PriorityLimits,
  ): HostConnections;
  /** There may be room for more connections of the cluster: requests that wait for one look again. */
  wake(cluster: Cluster): void;
  /** Closes a host's connections as they become idle. */
  release(host: Host): Promise<void>;
  /** Breaks off every connection: none of them serves anybody any more. */
  close(error: Error): void;
  /** Replaces every connection that uses this identity or trust bundle. */
  rotate(secretName: string): void;
}

/** A blackholed address is left after this long when the cluster does not say. */
export const defaultConnectTimeoutMs = 1000;
/** Idle connections are kept this long where the peer gives no `Keep-Alive: timeout` of its own. Source: undici's default; below the 5 s of Node's servers. */
const defaultIdleTimeoutMs = 4000;

/**
 * Hosts of URLs that one endpoint is spoken to as, where each has connections of its own: a wildcard has as many as the callers name.
 * The one that was used least recently is closed.
 */
const maxAuthoritiesPerHost = 250;

/**
 * Makes a factory without connections. Sockets belong to it, not to the request that opened them: no async context of a caller is
 * kept alive by them.
 */
export function createConnectionFactory(
  identities: IdentityStore,
  clock: Clock,
  telemetry: Telemetry,
  endpointDispatcher?: EndpointDispatcher,
): ConnectionFactory {
  const scope = new AsyncResource('MESHFETCH_CONNECTION');
  const stacks = new Map<HostConnections, readonly string[]>();

  const wake = (cluster: Cluster): void => {
    for (const host of cluster.hosts) for (const connections of host.allConnections()) connections.wake();
  };

  const create = (
    cluster: Cluster,
    host: Host,
    entry: OriginEntry,
    wanted: WantedProtocol,
    tls: UpstreamTls | undefined,
    limits: PriorityLimits,
  ): HostConnections => {
    const { config } = cluster;
    const isSecure = tls !== undefined && tls.mode !== 'disabled';
    const h2 = wanted === 'http2' ? 'prior-knowledge' : wanted === 'http1' ? 'never' : http2UseOf(config.protocol ?? 'auto', tls);
    const endpoint = {
      address: host.ip,
      port: host.port,
      cluster: cluster.name,
      origin: `${isSecure ? 'https' : 'http'}://${host.ip.startsWith('/') ? 'localhost' : host.address}`,
      isSecure,
    };
    const given = endpointDispatcher?.(endpoint);
    const settings: HostConnectionsOptions = {
      origin: given === undefined ? entry.origin : endpoint.origin,
      connector: createConnector({
        host: host.ip,
        port: host.port,
        ...(host.ip.startsWith('/') ? { socketPath: host.ip } : {}),
        ...(tls === undefined ? {} : { tls }),
        identities,
        connectTimeoutMs: config.connectTimeoutMs ?? defaultConnectTimeoutMs,
        clock,
        h2,
      }),
      allowH2: h2 !== 'never',
      tryOpen: (openNow) => openNow < limits.maxConnectionsPerHost && limits.tryAcquireConnection(openNow === 0),
      onForgotten: () => {
        limits.releaseConnection();
        // The place may be what a request for another host waits for. Later, since a stack is just being changed.
        if (limits.pending > 0) queueMicrotask(() => wake(cluster));
      },
      connectTimeoutMs: config.connectTimeoutMs ?? defaultConnectTimeoutMs,
      idleTimeoutMs: config.idleTimeoutMs ?? defaultIdleTimeoutMs,
      maxConnectionAgeMs: config.maxConnectionAgeMs ?? 0,
      maxRequestsPerConnection: config.maxRequestsPerConnection ?? 0,
      http2: config.http2,
      clock,
      scope,
      onOpened: (protocol) => {
        cluster.connected(host);
        telemetry.publish('connection:opened', () => ({
          cluster: cluster.name,
          endpoint: host.address,
          protocol,
          isTls: isSecure,
        }));
      },
      onClosed: (reason) =>
        telemetry.publish('connection:closed', () => ({ cluster: cluster.name, endpoint: host.address, reason })),
    };
    const connections = given === undefined ? new HostConnections(settings) : new GivenConnections(settings, given);
    stacks.set(connections, isSecure ? [tls.identity, tls.trust].filter((name) => name !== undefined) : []);
    return connections;
  };

  /** Its connections close as they become idle; who waits for one still gets one. */
  const closed = async (connections: HostConnections): Promise<void> => {
    await connections.close();
    stacks.delete(connections);
  };

  return {
    connectionsOf(cluster, host, entry, asked, limits) {
      // Requests of high priority have connections of their own, as in Envoy: they wait for no other's.
      const isHigh = limits === cluster.limits.high;
      const isSecure = cluster.isSecure(host);
      const byName = isSecure && verifiesHost(host.tls);
      const wanted = asked !== 'http1-by-tls' ? asked : isSecure || entry.scheme === 'https' ? 'http1' : 'any';
      if (!isHigh && wanted !== 'http1' && !byName && (entry.scheme === 'http' || isSecure)) {
        if (wanted === 'any' || speaksOnlyHttp2(cluster, host))
          return (host.connections ??= create(cluster, host, entry, 'any', host.tls, limits));
        return (host.http2Connections ??= create(cluster, host, entry, 'http2', host.tls, limits));
      }
      // https in the URL and a plaintext cluster: TLS to the host that the URL names, verified against the system's roots. Never a downgrade.
      const byUrl = entry.scheme === 'https' && !isSecure;
      const key = `${isHigh ? 'high' : ''}|${wanted}|${byUrl || byName ? entry.authority : ''}`;
      host.otherConnections ??= new LRUCache({
        max: maxAuthoritiesPerHost,
        dispose: (unused, _key, reason) => {
          if (reason === 'evict') void closed(unused);
        },
      });
      let connections = host.otherConnections.get(key);
      if (connections === undefined) {
        connections = create(
          cluster,
          host,
          entry,
          wanted,
          byUrl ? { mode: 'simple', peers: [], sni: entry.host } : host.tls,
          limits,
        );
        host.otherConnections.set(key, connections);
      }
      return connections;
    },
    wake,
    async release(host) {
      const all = [...host.allConnections()];
      host.connections = undefined;
      host.http2Connections = undefined;
      host.otherConnections = undefined;
      await Promise.all(all.map(closed));
    },
    close(error) {
      for (const connections of stacks.keys()) connections.destroy(error);
    },
    rotate(secretName) {
      for (const [connections, secrets] of stacks) if (secrets.includes(secretName)) connections.retire();
    },
  };
}

/** Whether the usual connections to the host are HTTP/2 and nothing else: gRPC goes over the same ones. */
function speaksOnlyHttp2({ config }: Cluster, { tls }: Host): boolean {
  return http2UseOf(config.protocol ?? 'auto', tls) === 'prior-knowledge';
}

/** Whether the peer must prove to be the host of the URL: what was proved to one host then says nothing to another. */
function verifiesHost(tls: UpstreamTls | undefined): boolean {
  return tls !== undefined && tls.mode !== 'disabled' && tls.peers.length === 0 && tls.sni === undefined;
}
