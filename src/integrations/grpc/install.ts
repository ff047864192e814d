/**
 * Puts the mesh into a copy of grpc-js: targets `mesh:///service`, and, for programs that know nothing of a mesh, the hosts of ordinary
 * targets that the mesh serves. Each copy is prepared once, whoever asks and however many meshes and copies of this package there are.
 */
import type { ChannelOptions } from '@grpc/grpc-js';
import type { Mesh } from '../../mesh-interface.ts';
import { checkMesh } from '../check-mesh.ts';
import { MeshResolver, registerMeshPolicy, type MeshTarget } from './channel.ts';
import { checkCopy } from './grpc-copies.ts';
import {
  registerScheme,
  resolverOf,
  type ChannelSecurity,
  type Grpc,
  type ResolverConstructor,
  type ResolverListener,
  type Target,
} from './grpc-js.ts';
import { NamedTargetResolver, type Takes } from './named-targets.ts';

/** What a copy of grpc-js has of meshes. Kept on the copy, where other copies of this package find it. */
interface Prepared {
  readonly meshes: Map<Mesh, InstallOptions>;
}

const preparedKey = Symbol.for('meshfetch.grpc');

/** Options of {@link installGrpc}. */
export interface InstallOptions {
  /** Version of the copy, where whoever loaded it knows better than Node's own table of modules. */
  readonly version?: string;
  /**
   * Also takes ordinary targets, `orders:50051` and `dns:orders:50051`, whose origin (`http://orders:50051`) it says true of; all others
   * stay with grpc-js's own resolver.
   */
  readonly takes?: Takes;
}

/** Has a copy of grpc-js know the scheme `mesh:`. Throws a RangeError for a version that was not tested. */
export function prepareGrpc(grpc: Grpc, version?: string): Prepared {
  const holder = grpc.ChannelCredentials as unknown as Record<symbol, Prepared | undefined> | undefined;
  const before = holder?.[preparedKey];
  if (before !== undefined) return before;
  checkCopy(grpc, version);
  const prepared: Prepared = { meshes: new Map() };
  Object.defineProperty(holder, preparedKey, { value: prepared });
  registerMeshPolicy(grpc, (target, security) => findMesh(prepared, target, security));
  registerScheme(grpc, 'mesh', meshResolver(grpc));
  registerScheme(grpc, 'dns', dnsResolver(grpc, prepared, resolverOf(grpc, 'dns')));
  return prepared;
}

/**
 * Puts a mesh into a copy of grpc-js: channels of the copy reach it as `mesh://<its name>/service` whatever their credentials are, and as
 * `mesh:///service` while it is the only one. Throws a RangeError for a version that was not tested, and a TypeError for what is no mesh.
 */
export function installGrpc(grpc: Grpc, mesh: Mesh, options: InstallOptions = {}): { uninstall(): void } {
  checkMesh('installGrpc', mesh);
  const { meshes } = prepareGrpc(grpc, options.version);
  meshes.set(mesh, options);
  return { uninstall: () => void meshes.delete(mesh) };
}

/** The mesh of a channel: that of its credentials, else the one that its target names, else the only one. */
function findMesh({ meshes }: Prepared, { mesh: name, authority, taker }: MeshTarget, { mark }: ChannelSecurity): Mesh {
  if (taker !== undefined) return taker;
  const own = mark as Mesh | undefined;
  const target = `mesh://${name}/${authority}`;
  if (own !== undefined) {
    if (name === '' || name === own.name) return own;
    throw new Error(`the target "${target}" names another mesh than the credentials of its channel, which are of "${own.name}"`);
  }
  const candidates = [...meshes.keys()].filter((mesh) => name === '' || mesh.name === name);
  if (candidates.length === 1) return candidates[0]!;
  const names = [...meshes.keys()].map((mesh) => `"${mesh.name}"`).join(', ');
  const known = meshes.size === 0 ? 'no mesh is installed' : `the installed ones are ${names}`;
  throw new Error(
    `the target "${target}" leads to no single mesh: ${known}; make the channel with meshChannelCredentials(mesh), or write mesh://<name of a mesh>/${authority}`,
  );
}

/** The resolver of the scheme `mesh:`. */
function meshResolver(grpc: Grpc): ResolverConstructor {
  return class extends MeshResolver {
    constructor(target: Target, listener: ResolverListener) {
      super(grpc, meshTarget(target), listener);
    }
    static getDefaultAuthority(target: Target): string {
      return meshTarget(target).authority;
    }
  };
}

/** `mesh:///orders:50051`, `mesh://name/orders`, `mesh:orders`. Throws a TypeError for what names no service. */
function meshTarget({ authority, path }: Target): MeshTarget {
  const url = URL.parse(`http://${path}`);
  const isService = url !== null && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  // grpc-js reads `mesh://orders` as the path `//orders`, and a URL passes over slashes.
  if (!isService || path.includes('/')) {
    const written = authority === undefined ? `mesh:${path}` : `mesh://${authority}/${path}`;
    throw new TypeError(`"${written}" is no target of a mesh; write mesh:///service or mesh:///service:port`);
  }
  return { mesh: authority ?? '', authority: path };
}

/** The resolver of names: that of {@link NamedTargetResolver}, and of targets `mesh:` that a proxy in the environment has taken the place of. */
function dnsResolver(grpc: Grpc, prepared: Prepared, original: ResolverConstructor): ResolverConstructor {
  const { uriToString } = grpc.experimental;
  const takers = function* (): Iterable<{ mesh: Mesh; takes: Takes }> {
    for (const [mesh, { takes }] of [...prepared.meshes].reverse()) if (takes !== undefined) yield { mesh, takes };
  };
  return class MeshOrDns {
    constructor(target: Target, listener: ResolverListener, options: ChannelOptions) {
      // A channel of a control plane: what the mesh knows comes over it (wire/grpc-client.ts).
      if (options['meshfetch.direct'] !== undefined) return new original(target, listener, options);
      // With a proxy in the environment the channel has the proxy's address for a target, and keeps its own among the options.
      const named = options['grpc.http_connect_target'] ?? uriToString(target);
      const onMesh = /^mesh:(?:\/\/([^/]*)\/)?(.+)$/.exec(named);
      if (onMesh !== null) return new MeshResolver(grpc, meshTarget({ authority: onMesh[1] ?? '', path: onMesh[2]! }), listener);
      return new NamedTargetResolver({ grpc, takers, original }, named, target, listener, options);
    }
    static getDefaultAuthority(target: Target): string {
      return original.getDefaultAuthority(target);
    }
    updateResolution(): void {}
    destroy(): void {}
  };
}
