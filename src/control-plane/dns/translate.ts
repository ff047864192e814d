import { isIP } from 'node:net';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { OutboundListenerConfig } from '../../model/listener.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../../model/route.ts';
import { hostNameFrom, literalFrom } from '../../wire/dns/host-name.ts';
import type { HostDefaults } from '../safe-defaults.ts';

/** A host and port that somebody asked for. */
export interface Authority {
  /** As in a URL: lower case, IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
}

/** Name of the listener and of its route table. */
export const tableName = 'dns';

/** The one listener: every port, with the table that grows. */
export const listener: OutboundListenerConfig = { direction: 'outbound', name: tableName, routes: tableName };

/**
 * The authority, or undefined for what DNS cannot name. A URL may have `*` in its host, which as a domain of a virtual host would
 * catch requests for others.
 */
export function authorityFrom(host: string, port: number): Authority | undefined {
  const isGood = literalFrom(host) !== undefined || hostNameFrom(host) !== undefined;
  return isGood && port > 0 && port <= 65_535 ? { host: host.toLowerCase(), port } : undefined;
}

/** Name of the cluster of an authority. */
export function clusterName({ host, port }: Authority): string {
  return `dns:${host}:${port}`;
}

/**
 * All addresses of the name, with the defaults. Port 443 is TLS to the name itself, verified against the roots of the system; on other
 * ports the scheme of the URL decides.
 */
export function clusterOf(authority: Authority, defaults: HostDefaults): ClusterConfig {
  const { host, port } = authority;
  const hostname = literalFrom(host)?.address ?? host;
  return {
    ...defaults.cluster,
    name: clusterName(authority),
    discovery: { kind: 'dns', hostname, port, use: 'all' },
    // An address must not be sent as server name (RFC 6066, section 3).
    ...(port === 443
      ? { tls: { mode: 'simple', peers: [], ...(isIP(hostname) === 0 ? { sni: withoutDot(hostname) } : {}) } }
      : {}),
  };
}

/** The table with a virtual host for each authority. */
export function routeTableOf(authorities: Iterable<Authority>, defaults: HostDefaults): RouteTableConfig {
  return {
    name: tableName,
    virtualHosts: Array.from(authorities, (authority) => virtualHostOf(authority)),
    policy: defaults.policy,
  };
}

function virtualHostOf(authority: Authority): VirtualHostConfig {
  const name = clusterName(authority);
  return {
    name,
    domains: [`${authority.host}:${authority.port}`],
    routes: [{ name, match: {}, action: { kind: 'forward', to: [{ cluster: name, weight: 1 }] } }],
  };
}

function withoutDot(hostname: string): string {
  return hostname.endsWith('.') ? hostname.slice(0, -1) : hostname;
}
