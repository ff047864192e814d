/**
 * The way in of a mesh: loaded when a program first asks for it, since most only call others. Snapshots reach it from then on, and what
 * was refused of a source that guards ports is kept from the start.
 */
import { inboundStatus, type InboundPortStatus } from './admin/inbound-status.ts';
import { suggestion } from './base/nearest-name.ts';
import type { Clock, Random } from './base/runtime.ts';
import { MeshError } from './base/errors.ts';
import type { ConfigStore } from './control-plane/store.ts';
import type { OutboundDispatcher } from './data-plane/dispatcher.ts';
import type { Inbound } from './data-plane/inbound.ts';
import type { InboundServer, ListenOptions, RequestListener } from './data-plane/listen/listen-options.ts';
import type { OpenPort } from './data-plane/listen/listen.ts';
import type { KnownWorkloads } from './data-plane/workload/known-workloads.ts';
import type { ApplyResult, ControlPlane, Problem } from './model/contracts.ts';
import type { ListenedPort } from './model/listener.ts';
import type {
  InboundAnswer,
  InboundDoor,
  InboundDoorOptions,
  InboundRefusal,
  InboundRequest,
  InboundResponse,
} from './model/inbound.ts';
import type { Snapshot } from './model/snapshot.ts';
import type { IdentityStore } from './security/identity-store.ts';
import type { Telemetry } from './telemetry/telemetry.ts';

/** What the way in is assembled of. */
export interface MeshInboundParts {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly identities: IdentityStore;
  readonly planes: readonly ControlPlane[];
  readonly store: ConfigStore;
  readonly workloads: KnownWorkloads | undefined;
  /** The way out, for what the way in asks of others. */
  readonly dispatcher: () => OutboundDispatcher;
}

/** The way in of one mesh, before and after it is loaded. */
export class MeshInbound {
  private readonly parts: MeshInboundParts;
  private readonly refused = new Map<string, readonly Problem[]>();
  private readonly servers = new Set<OpenPort>();
  /** Whether each source guarded its ports when it last spoke. */
  private readonly guarded = new Map<string, boolean>();
  private loaded: Inbound | undefined = undefined;
  private loading: Promise<Inbound> | undefined = undefined;
  private isClosed = false;

  constructor(parts: MeshInboundParts) {
    this.parts = parts;
  }

  /** Another configuration is in force. */
  apply(snapshot: Snapshot): void {
    this.loaded?.apply(snapshot);
  }

  /** A source has delivered; what was refused of it may be a way in. */
  applied(source: string, { rejected }: ApplyResult): void {
    if (!this.guards(source)) return;
    if (rejected.length === 0 && (this.refused.get(source)?.length ?? 0) === 0) return;
    const { store } = this.parts;
    this.refused.set(source, store.status().find((status) => status.source === source)?.rejected ?? rejected);
    this.loaded?.apply(store.snapshot());
  }

  /** The way in for a server that somebody else owns. Requests that come before it is loaded wait for it. */
  door(options: InboundDoorOptions): InboundDoor {
    checkDoorOptions(options);
    return new LazyDoor(async () => {
      const [inbound, { Door }] = await Promise.all([this.load(), import('./data-plane/inbound/door.ts')]);
      return new Door(inbound, options);
    });
  }

  /** Opens a port of the mesh's own. */
  async listen(handler: RequestListener, options: ListenOptions): Promise<InboundServer> {
    const { clock, random, telemetry, identities } = this.parts;
    const [inbound, { openPort }] = await Promise.all([this.load(), import('./data-plane/listen/listen.ts')]);
    if (this.isClosed) throw closed();
    const server = await openPort(handler, options, { inbound, identities, clock, random, telemetry });
    if (this.isClosed) {
      await server.close(0);
      throw closed();
    }
    this.servers.add(server);
    server.onClose(() => this.servers.delete(server));
    return server.handle;
  }

  /** The ports that are open, and what holds for them. */
  status(): readonly InboundPortStatus[] {
    return this.loaded === undefined ? [] : inboundStatus(this.loaded);
  }

  /**
   * Closes the ports that are open, all within `limitMs`; undefined = there are none. Doors refuse from now on; what they let in before is
   * for their servers to wait for.
   */
  close(limitMs: number): Promise<unknown> | undefined {
    this.isClosed = true;
    this.loaded?.config.shut();
    return this.servers.size === 0 ? undefined : Promise.all([...this.servers].map((server) => server.close(limitMs)));
  }

  private load(): Promise<Inbound> {
    return (this.loading ??= import('./data-plane/inbound/create-inbound.ts').then(({ createInbound }) => {
      const { store, dispatcher, ...parts } = this.parts;
      this.loaded = createInbound({
        ...parts,
        sources: {
          guards: (source) => this.guards(source),
          isAskedByPort: (source) => this.planeOf(source)?.listening !== undefined,
          listening: (at) => this.listening(at),
          rejected: (source) => this.refused.get(source) ?? [],
        },
        toCluster: (source, cluster) => dispatcher().toCluster(source, cluster),
      });
      this.loaded.apply(store.snapshot());
      if (this.isClosed) this.loaded.config.shut();
      return this.loaded;
    }));
  }

  /** A source has said how it is doing: it may have found out that the way in is none of its business. */
  spoke(source: string): void {
    const guards = this.guards(source);
    if (this.guarded.get(source) === guards) return;
    this.guarded.set(source, guards);
    this.loaded?.apply(this.parts.store.snapshot());
  }

  private guards(source: string): boolean {
    return this.planeOf(source)?.guardsInbound === true;
  }

  private planeOf(source: string): ControlPlane | undefined {
    return this.parts.planes.find(({ name }) => name === source);
  }

  /** Tells the sources that are asked by port of one that is open, until what it returns is called. */
  private listening(at: ListenedPort): () => void {
    const end = new AbortController();
    // A request that came over no socket has no port: nobody listens there.
    if (at.port > 0) for (const plane of this.parts.planes) plane.listening?.(at, end.signal);
    return () => end.abort();
  }
}

/** A door that is there at once, and works as soon as the way in is loaded. */
class LazyDoor implements InboundDoor {
  private door: InboundDoor | undefined = undefined;
  private readonly opening: Promise<void>;

  constructor(open: () => Promise<InboundDoor>) {
    this.opening = open().then((door) => {
      this.door = door;
    });
  }

  normalize(request: InboundRequest): void {
    this.door?.normalize(request);
  }

  admit(request: InboundRequest, response: InboundResponse, done: (refusal: InboundRefusal | undefined) => void): void {
    if (this.door !== undefined) this.door.admit(request, response, done);
    else
      this.opening.then(
        () => this.door!.admit(request, response, done),
        // A part of the package cannot be loaded: nobody comes in.
        () => {
          response.statusCode = 503;
          response.end();
        },
      );
  }

  refuse(request: InboundRequest, response: InboundResponse, refusal: InboundRefusal): void {
    if (this.door !== undefined) this.door.refuse(request, response, refusal);
    else void this.opening.then(() => this.door!.refuse(request, response, refusal));
  }

  answerOf(request: InboundRequest, refusal: InboundRefusal): InboundAnswer {
    // A refusal is made by a door that is there.
    return this.door!.answerOf(request, refusal);
  }

  upgrade(request: InboundRequest, socket: object, done: () => void): void {
    if (this.door !== undefined) this.door.upgrade(request, socket, done);
    else void this.opening.then(() => this.door!.upgrade(request, socket, done));
  }

  loadReport(): Uint8Array | undefined {
    return this.door?.loadReport();
  }
}

const modes: readonly string[] = ['disabled', 'permissive', 'strict'];

const doorOptions: readonly string[] = [
  'port',
  'mode',
  'policyMissing',
  'ignorePathCase',
  'ignoreTrailingSlash',
] satisfies (keyof InboundDoorOptions)[];

/** Throws a TypeError or RangeError that names the option. */
function checkDoorOptions(options: InboundDoorOptions): void {
  const unknown = Object.keys(options).find((name) => !doorOptions.includes(name));
  if (unknown !== undefined) throw new TypeError(`mesh.inbound has no option "${unknown}"; ${suggestion(unknown, doorOptions)}`);
  const { port, mode, policyMissing } = options;
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535))
    throw new RangeError(`mesh.inbound: "port" must be a whole number from 1 to 65535, or left out`);
  if (mode !== undefined && !modes.includes(mode)) throw new TypeError(`mesh.inbound: "mode" must be one of ${modes.join(', ')}`);
  if (policyMissing !== undefined && policyMissing !== 'allow' && policyMissing !== 'deny')
    throw new TypeError('mesh.inbound: "policyMissing" must be "allow" or "deny"');
}

function closed(): MeshError {
  return new MeshError('MESH_CLOSED', 'the mesh was closed; open ports before close()');
}
