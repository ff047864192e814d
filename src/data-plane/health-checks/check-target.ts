/** Whom a check asks, over which connection: what two clusters must have in common to share a check. */
import { hasMetadata } from '../cluster/has-metadata.ts';
import { addressOf, type Host } from '../cluster/host.ts';
import type { ClusterConfig, EndpointConfig } from '../../model/cluster.ts';
import type { HealthCheckConfig } from '../../model/health.ts';
import type { UpstreamTls } from '../../model/tls.ts';
import { http2UseOf, type Http2Use } from '../transport/application-protocols.ts';

/** TLS that is on. */
export type SecuredTls = Exclude<UpstreamTls, { readonly mode: 'disabled' }>;

/** One endpoint as one check sees it. */
export interface CheckTarget {
  /** Equal where everything else is. */
  readonly key: string;
  readonly check: HealthCheckConfig;
  /** IP address, name, or path of a unix socket. */
  readonly address: string;
  readonly port: number;
  /** `address:port`, for words. */
  readonly endpoint: string;
  readonly tls: SecuredTls | undefined;
  /** Over TLS: sent as SNI, and what the certificate must name where `tls.peers` does not say whom. Undefined where nothing says it. */
  readonly serverName: string | undefined;
  /** Host header, or `:authority`. */
  readonly authority: string;
  readonly h2: Http2Use;
}

/** The target of a check of a cluster at one of its hosts; undefined where the endpoint is not to be checked. */
export function checkTargetOf(check: HealthCheckConfig, host: Host, cluster: ClusterConfig): CheckTarget | undefined {
  const own = host.endpoint.healthCheck;
  if (own?.isDisabled === true) return undefined;
  const port = host.ip.startsWith('/') ? host.port : (own?.port ?? check.port ?? host.port);
  const tls = tlsOf(check, host, cluster);
  // Source: Envoy, `HttpHealthCheck.host`: "If left empty (default value), the name of the cluster … will be used".
  const authority = own?.hostname ?? check.host ?? cluster.name;
  const h2 = protocolOf(check, cluster, tls);
  const endpoint = port === 0 ? host.ip : addressOf(host.ip, port);
  const serverName = tls === undefined ? undefined : serverNameOf(check, host.endpoint, tls, cluster.name);
  const names = `${check.kind === 'tcp' ? '' : authority}\n${serverName ?? ''}`;
  const key = `${endpoint}\n${names}\n${h2}\n${textOf(tls)}\n${textOf(check)}`;
  return { key, check, address: host.ip, port, endpoint, tls, serverName, authority, h2 };
}

/**
 * The name by which the endpoint of a check is verified. A request has that of its URL; a check has the one that is configured, else
 * the name of the cluster where that is one which an endpoint can have. Undefined = there is none.
 */
export function serverNameOf(
  check: Pick<HealthCheckConfig, 'host'>,
  endpoint: Pick<EndpointConfig, 'hostname' | 'healthCheck'>,
  tls: SecuredTls,
  cluster: string,
): string | undefined {
  const host = endpoint.healthCheck?.hostname ?? check.host;
  return tls.sni ?? hostNameOf(endpoint.hostname) ?? hostNameOf(host) ?? hostNameOf(cluster);
}

/** The name in `name:port`, without a dot at its end; undefined for what no host can be called. */
function hostNameOf(authority: string | undefined): string | undefined {
  if (authority === undefined || !isAuthority(authority)) return undefined;
  return new URL(`http://${authority}`).hostname.replace(/\.$/, '');
}

/** Whether a URL can have it between the slashes. */
export function isAuthority(text: string): boolean {
  return /^[\w.-]+(?::\d+)?$|^\[[\da-f:.]+\](?::\d+)?$/i.test(text) && URL.canParse(`http://${text}`);
}

/** What of a cluster its checks are made with, as text: as long as it is the same, so are the checks of its endpoints. */
export function checkSettingsOf({ name, protocol, healthChecks, tls, tlsMatches }: ClusterConfig): string {
  return `${name}\n${protocol ?? ''}\n${textOf(healthChecks)}\n${textOf(tls)}\n${textOf(tlsMatches)}`;
}

function tlsOf(check: HealthCheckConfig, host: Host, cluster: ClusterConfig): SecuredTls | undefined {
  const wanted = check.tlsMatch;
  const tls =
    wanted === undefined
      ? host.tls
      : (cluster.tlsMatches?.find(({ metadata }) => hasMetadata(wanted, metadata))?.tls ?? cluster.tls);
  if (tls === undefined || tls.mode === 'disabled') return undefined;
  return check.alpn === undefined ? tls : withAlpn(tls, check.alpn);
}

/** An `http` check speaks what requests speak, unless it names a protocol. */
function protocolOf({ kind, protocol }: HealthCheckConfig, cluster: ClusterConfig, tls: UpstreamTls | undefined): Http2Use {
  if (kind === 'grpc' || protocol === 'http2') return 'prior-knowledge';
  return kind === 'tcp' || protocol === 'http1' ? 'never' : http2UseOf(cluster.protocol ?? 'auto', tls);
}

const alpnVariants = new WeakMap<SecuredTls, Map<string, SecuredTls>>();

/** The same object for the same list, so that its text is made once. */
function withAlpn(tls: SecuredTls, alpn: readonly string[]): SecuredTls {
  let variants = alpnVariants.get(tls);
  if (variants === undefined) alpnVariants.set(tls, (variants = new Map()));
  const key = alpn.join(' ');
  let variant = variants.get(key);
  if (variant === undefined) variants.set(key, (variant = { ...tls, alpn }));
  return variant;
}

const texts = new WeakMap<object, string>();

function textOf(value: object | undefined): string {
  if (value === undefined) return '';
  let text = texts.get(value);
  if (text === undefined) texts.set(value, (text = JSON.stringify(value)));
  return text;
}
