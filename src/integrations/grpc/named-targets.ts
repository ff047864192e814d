/**
 * Ordinary targets of grpc-js, `orders:50051` and `dns:orders:50051`, of programs that know nothing of a mesh: those that a mesh serves go
 * to it, all others to grpc-js's own resolver, which then hears and answers as if nobody stood in front of it.
 *
 * Who serves a host may have to be asked first. Calls that come meanwhile are queued by a policy that is connecting; each takes its async
 * context along, which the queue would lose. A channel with a service configuration of its own is queued a step earlier instead, by grpc-js,
 * so that the configuration holds for the first calls too, should the host not be of the mesh.
 */
import type { ChannelOptions } from '@grpc/grpc-js';
import type { Mesh } from '../../mesh-interface.ts';
import { MeshResolver } from './channel.ts';
import type { Grpc, Resolver, ResolverConstructor, ResolverListener, Target } from './grpc-js.ts';

/** Whether a mesh serves what a target names: true of an origin, `http://orders:50051`. */
export type Takes = (origin: string) => boolean | Promise<boolean>;

/** The meshes that take ordinary targets, the latest first. */
export type Takers = () => Iterable<{ readonly mesh: Mesh; readonly takes: Takes }>;

/** Source: grpc-js's resolver-dns.ts. */
const defaultPort = 443;

/** Stands in front of grpc-js's own resolver of names. */
export class NamedTargetResolver implements Resolver {
  private readonly grpc: Grpc;
  private readonly takers: Takers;
  private readonly listener: ResolverListener;
  private readonly authority: string | undefined;
  private readonly isQueuedByChannel: boolean;
  private readonly makeOriginal: () => Resolver;
  private original: Resolver | undefined = undefined;
  /** Of the latest question; an answer to an earlier one is of no use. */
  private asked = 0;

  /** `named`: the target that the program wrote; `target`: what is resolved for it, the address of a proxy perhaps. */
  constructor(
    { grpc, takers, original }: { grpc: Grpc; takers: Takers; original: ResolverConstructor },
    named: string,
    target: Target,
    listener: ResolverListener,
    options: ChannelOptions,
  ) {
    this.grpc = grpc;
    this.takers = takers;
    this.listener = listener;
    this.authority = authorityOf(grpc, named);
    this.isQueuedByChannel = options['grpc.service_config'] !== undefined;
    this.makeOriginal = () => new original(target, listener, options);
  }

  updateResolution(): void {
    const asked = ++this.asked;
    const taker = this.taker();
    if (!(taker instanceof Promise)) {
      this.follow(taker);
      return;
    }
    if (this.original === undefined && !this.isQueuedByChannel)
      this.onMesh({ mesh: '', authority: this.authority!, isAwaited: true });
    taker.then(
      (mesh) => {
        if (asked === this.asked) this.follow(mesh);
      },
      () => {
        if (asked === this.asked) this.follow(undefined);
      },
    );
  }

  destroy(): void {
    this.asked++;
    this.original?.destroy();
    this.original = undefined;
  }

  private follow(mesh: Mesh | undefined): void {
    if (mesh === undefined) (this.original ??= this.makeOriginal()).updateResolution();
    else {
      this.original?.destroy();
      this.original = undefined;
      this.onMesh({ mesh: '', authority: this.authority!, taker: mesh });
    }
  }

  private onMesh(target: ConstructorParameters<typeof MeshResolver>[1]): void {
    new MeshResolver(this.grpc, target, this.listener).updateResolution();
  }

  /** The first mesh that takes it. */
  private taker(): Mesh | undefined | Promise<Mesh | undefined> {
    if (this.authority === undefined) return undefined;
    const origin = `http://${this.authority}`;
    const takers = [...this.takers()];
    for (const [index, { mesh, takes }] of takers.entries()) {
      const verdict = takes(origin);
      if (verdict === true) return mesh;
      if (verdict !== false) return firstOf(takers.slice(index), verdict, origin);
    }
    return undefined;
  }
}

/** As {@link NamedTargetResolver.taker}, from a mesh on that has to find out. */
async function firstOf(
  takers: readonly { readonly mesh: Mesh; readonly takes: Takes }[],
  verdict: Promise<boolean>,
  origin: string,
): Promise<Mesh | undefined> {
  for (const [index, { mesh, takes }] of takers.entries()) if (await (index === 0 ? verdict : takes(origin))) return mesh;
  return undefined;
}

/** `host:port` of a target; undefined where it is something else. */
function authorityOf(grpc: Grpc, named: string): string | undefined {
  const path = /^dns:(?:\/\/[^/]*\/)?(.+)$/.exec(named)?.[1];
  const parts = path === undefined ? null : grpc.experimental.splitHostPort(path);
  if (parts === null) return undefined;
  const { host, port = defaultPort } = parts;
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return URL.canParse(`http://${authority}`) ? authority : undefined;
}
