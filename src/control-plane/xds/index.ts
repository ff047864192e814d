/**
 * Configuration from any xDS server: `http://orders/` goes where its listeners, routes and clusters say, and follows them as they
 * change. Services are built when they are first asked for, however many the server knows.
 */
import type { ControlPlane } from '../../model/contracts.ts';
import type { ListenedPort } from '../../model/listener.ts';
import { certificateProviders } from './certificate-providers.ts';
import { createAdsClient } from './client/ads-client.ts';
import { bootstrapFromEnvironment, readBootstrap, type Bootstrap } from './client/bootstrap.ts';
import type { XdsServer } from './client/credentials.ts';
import type { NodeConfig } from './client/node.ts';
import { checkXdsOptions, serversFrom, type XdsOptions } from './options.ts';
import { createXdsSource } from './source.ts';
import type { SnapshotSettings } from './source/snapshot-settings.ts';

export type { XdsOptions, XdsServerOptions, XdsSnapshotOptions, XdsTlsOptions } from './options.ts';
export type { NodeConfig, StructValue } from './client/node.ts';
export { xdsOptionsFromUrl } from './options-from-url.ts';

const defaultMaxAgeMs = 86_400_000;
/** A snapshot is used before a first request gives up waiting (5 s by default). */
const defaultWaitMs = 1000;

/**
 * A control plane that asks an xDS server. Throws a TypeError for a wrong option and a MeshError for a bootstrap that cannot be used;
 * whether the server can be reached shows in the status, since that may mend itself.
 */
export function xdsControlPlane(
  options: XdsOptions = {},
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ControlPlane {
  checkXdsOptions(options);
  const bootstrap = bootstrapOf(options, environment);
  const servers = options.servers === undefined ? bootstrap!.servers : serversFrom(options.servers);
  const node: NodeConfig = options.node ?? bootstrap?.node ?? { id: 'meshfetch' };
  const mode = options.mode ?? (node.id.startsWith('sidecar~') ? 'sidecar' : 'proxyless');
  const { protocol, resourceTimeoutMs, maxMessageBytes } = options;
  const listenerName = options.listenerName ?? bootstrap?.clientListenerTemplate;
  const serverListener = options.serverListenerName ?? bootstrap?.serverListenerTemplate;
  const failOnDataErrors = options.failOnDataErrors ?? servers[0]?.features?.has('fail_on_data_errors');
  return createXdsSource({
    name: options.name ?? 'xds',
    mode,
    client: ({ clock, random }) =>
      createAdsClient({
        servers,
        node,
        clock,
        random,
        ...(protocol !== undefined && { variant: protocol }),
        ...(resourceTimeoutMs !== undefined && { resourceTimeoutMs }),
        ...(maxMessageBytes !== undefined && { maxMessageBytes }),
      }),
    ...(listenerName !== undefined && {
      listenerNames: ({ host, port }) => [listenerName.replaceAll('%s', () => `${host}:${port}`)],
    }),
    ...(serverListener !== undefined && {
      serverListenerName: (at) => serverListener.replaceAll('%s', () => textOf(at)),
    }),
    ...(mode === 'sidecar' && { searchDomains: searchDomainsOf(node.id) }),
    ...(failOnDataErrors !== undefined && { failOnDataErrors }),
    ...(options.outlierDetection !== undefined && { outlierDetection: options.outlierDetection }),
    loadReports: { servers, node },
    ...(options.snapshot !== undefined && { snapshot: snapshotFrom(options.snapshot, servers, node) }),
    identities: ({ clock }) => certificateProviders(bootstrap?.certificateProviders ?? [], clock),
    unhonoured: bootstrap?.unhonoured ?? [],
    allowLoopback: options.allowLoopback ?? servers.some(({ address }) => isLoopback(address)),
  });
}

/** The bootstrap, where the options name no servers: the one that is given, else that of the environment. */
function bootstrapOf(
  { servers, bootstrap }: XdsOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Bootstrap | undefined {
  if (bootstrap !== undefined) return readBootstrap(bootstrap);
  return servers === undefined ? bootstrapFromEnvironment(environment) : undefined;
}

function snapshotFrom(
  snapshot: NonNullable<XdsOptions['snapshot']>,
  servers: readonly XdsServer[],
  node: NodeConfig,
): SnapshotSettings {
  const {
    folder,
    maxAgeMs = defaultMaxAgeMs,
    waitMs = defaultWaitMs,
  } = typeof snapshot === 'string' ? { folder: snapshot } : snapshot;
  return { folder, maxAgeMs, waitMs, owner: JSON.stringify([node.id, ...servers.map(({ address }) => address)]) };
}

/** Of `sidecar~IP~NAME.shop~shop.svc.cluster.local`: what a resolver in that place completes a short host by. */
function searchDomainsOf(nodeId: string): readonly string[] {
  const labels = (nodeId.split('~')[3] ?? '').split('.').filter((label) => label !== '');
  return labels.slice(0, -1).map((_, from) => labels.slice(from).join('.'));
}

/** `0.0.0.0:8080` or `[::]:8080`, as gRPC servers name the port that they listen on (gRFC A36). */
function textOf({ address, port }: ListenedPort): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function isLoopback(address: string): boolean {
  const host = address.replace(/:\d+$/, '');
  return address.startsWith('unix:') || host === 'localhost' || host === '[::1]' || host.startsWith('127.');
}
