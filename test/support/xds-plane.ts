/** A scripted xDS server that is told resources in JSON, by kind. */
import { typeUrls } from '../../src/control-plane/xds/client/contract.ts';
import { startAdsServer, type AdsServer, type AdsServerOptions } from './ads-server.ts';
import { envoyBytes } from './envoy-bytes.ts';

type Kind = keyof typeof typeUrls;
type Named = object;

/** The server, and its resources as they are told. */
export interface XdsPlane extends AsyncDisposable {
  readonly server: AdsServer;
  readonly address: string;
  /** Sets these resources, all in one push. */
  set(kind: Kind, ...resources: readonly Named[]): void;
  /** The same with a version of their own. */
  setVersion(kind: Kind, version: string, ...resources: readonly Named[]): void;
  remove(kind: Kind, ...names: readonly string[]): void;
  /** Sets a resource to bytes of any kind. */
  garble(kind: Kind, name: string, bytes: Uint8Array): void;
}

export async function startXdsPlane(options: AdsServerOptions = {}): Promise<XdsPlane> {
  const server = await startAdsServer(options);
  const push = (kind: Kind, resources: readonly Named[], version?: string): void => {
    const type = typeUrls[kind].slice(typeUrls[kind].indexOf('/') + 1);
    const named = resources.map((resource) => [nameOf(resource), envoyBytes(resource, type)]);
    server.push(typeUrls[kind], Object.fromEntries(named) as Record<string, Uint8Array>, version);
  };
  return {
    server,
    address: server.address,
    set: (kind, ...resources) => push(kind, resources),
    setVersion: (kind, version, ...resources) => push(kind, resources, version),
    remove(kind, ...names) {
      server.push(typeUrls[kind], Object.fromEntries(names.map((name) => [name, undefined])));
    },
    garble(kind, name, bytes) {
      server.push(typeUrls[kind], { [name]: bytes });
    },
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

function nameOf(resource: Named): string {
  const { name, cluster_name: clusterName } = resource as Readonly<Record<'name' | 'cluster_name', unknown>>;
  return String(name ?? clusterName);
}
