import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createMesh, type Mesh, type MeshError, type MeshErrorCode, type MeshOptions } from 'meshfetch';
import type { MeshFileInput } from '../../../src/control-plane/file/schema.ts';
import type { EventName, EventPayloads } from '../../../src/telemetry/events.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../../support/cluster-plane.ts';
import { createVirtualClock, type VirtualClock } from '../../../src/testing/virtual-clock.ts';
import type { ServiceInput } from '../../support/mesh-of.ts';
import { closedPort } from '../../support/servers.ts';
import type { Script } from './act.ts';
import type { Ask, Client, Exchange, OpenClient, Outcome } from './client.ts';
import { answered, failed, meshErrorIn } from './outcome.ts';
import { startUpstream, type Upstream, type UpstreamTls } from './upstream.ts';

const heardEvents = [
  'request:end',
  'attempt:end',
  'retry:scheduled',
  'retry:denied',
  'host:ejected',
  'host:returned',
  'breaker:opened',
  'breaker:closed',
] as const satisfies readonly EventName[];
type HeardEvent = (typeof heardEvents)[number];

let meshNumber = 0;

/** What a behaviour is tried in: upstreams, a mesh and one client. All of it ends with the test. */
export class Setting implements AsyncDisposable {
  readonly client: Client;
  private readonly events = new Map<EventName, unknown[]>();
  private readonly upstreams: Upstream[] = [];
  private readonly meshes: Mesh[] = [];
  private readonly opened: OpenClient[] = [];

  constructor(client: Client) {
    this.client = client;
    for (const name of heardEvents) subscribe(`meshfetch:${name}`, this.note);
  }

  private readonly note = (message: unknown, channel: string | symbol): void => {
    if (!this.meshes.some(({ name }) => name === (message as { readonly mesh: string }).mesh)) return;
    this.heard(String(channel).slice('meshfetch:'.length) as HeardEvent).push(message as never);
  };

  /** The events of this name that its meshes have told, in order. */
  heard<N extends HeardEvent>(name: N): EventPayloads[N][] {
    let events = this.events.get(name);
    if (events === undefined) this.events.set(name, (events = []));
    return events as EventPayloads[N][];
  }

  /** An endpoint; its name is what it answers with. */
  async upstream(name: string, script: Script = {}, tls?: UpstreamTls): Promise<Upstream> {
    const upstream = await startUpstream(name, script, tls);
    this.upstreams.push(upstream);
    return upstream;
  }

  /** A mesh of these services, and the client over it. */
  async mesh(services: Readonly<Record<string, ServiceInput>>, options: Omit<MeshOptions, 'controlPlane'> = {}): Promise<Mesh> {
    return this.meshOf({ services }, options);
  }

  /** A mesh in which `orders` is these upstreams, in turn; one attempt unless `more` says otherwise. */
  async orders(
    upstreams: readonly Upstream[],
    more: ServiceInput = {},
    options: Omit<MeshOptions, 'controlPlane'> = {},
  ): Promise<Mesh> {
    return this.mesh({ orders: ordersAt(upstreams, more) }, options);
  }

  /** A mesh of this file. */
  async meshOf(
    controlPlane: MeshOptions['controlPlane'] & object,
    options: Omit<MeshOptions, 'controlPlane'> = {},
  ): Promise<Mesh> {
    const mesh = await createMesh({
      name: `table-${++meshNumber}`,
      controlPlane: controlPlane as MeshFileInput,
      unknownHosts: 'refuse',
      drainTimeoutMs: 0,
      ...options,
    });
    this.meshes.push(mesh);
    this.opened.push(this.client.over(mesh));
    return mesh;
  }

  /** A mesh of a control plane that can change its mind; gives the way to say which upstreams `orders` is now. */
  async plane(upstreams: readonly Upstream[]): Promise<(next: readonly Upstream[]) => Promise<void>> {
    const plane = new TestControlPlane();
    await this.meshOf(plane);
    const deliver = (next: readonly Upstream[]): Promise<void> => {
      const endpoints = next.map(({ address }) => endpointAt(address));
      return plane.deliver([allTo('orders', 'orders'), staticCluster('orders', endpoints)]);
    };
    await deliver(upstreams);
    return deliver;
  }

  /** Asserts that the client was told this status, or that the mesh was where the client tells nobody (WebSocket). */
  answered(outcome: Outcome, status: number): void {
    if (!this.tellsNothing || status === 200) return void answered(outcome, status);
    assert.equal(outcome.kind, 'failure');
    assert.equal(this.heard('request:end').at(-1)?.status, status);
  }

  /** Asserts that the client threw with this error as the cause, or that the mesh tells of it where the client tells nothing. */
  failed(outcome: Outcome, code: MeshErrorCode): MeshError | undefined {
    if (!this.tellsNothing) return failed(outcome, code);
    assert.equal(outcome.kind, 'failure');
    assert.equal(this.heard('request:end').at(-1)?.error, code);
    return undefined;
  }

  /** The code of the mesh's error that ended a request, as the client was told, or the mesh where it tells nothing. */
  codeOf(outcome: Outcome): string | undefined {
    if (outcome.kind === 'answer') return undefined;
    // got tells of every response that breaks off that the server has aborted it.
    if (this.tellsNothing || this.client.name === 'got') return this.heard('request:end').at(-1)?.error;
    return meshErrorIn(outcome.error)?.code;
  }

  /** The WebSocket of the web says of a handshake that it failed, and not why. */
  private get tellsNothing(): boolean {
    return this.client.name === 'WebSocket';
  }

  /** Asks by the client over the mesh that was made last. */
  call(ask: Ask = {}): Promise<Outcome> {
    return this.opened.at(-1)!.call(ask);
  }

  /** Asks so many times, one after another. */
  async calls(count: number, ask: (index: number) => Ask = () => ({})): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    for (let index = 0; index < count; index++) outcomes.push(await this.call(ask(index)));
    return outcomes;
  }

  /** As {@link call}, with the response in parts. */
  open(ask: Ask = {}): Promise<Exchange> {
    return this.opened.at(-1)!.open(ask);
  }

  /** A clock that stands still. */
  clock(): VirtualClock {
    return createVirtualClock();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of heardEvents) unsubscribe(`meshfetch:${name}`, this.note);
    for (const client of this.opened) client.close();
    await Promise.all(this.meshes.map((mesh) => mesh.close()));
    for (const upstream of this.upstreams) upstream.kill();
  }
}

/** A service of these upstreams, in turn, with one attempt and nobody ejected unless `more` says otherwise. */
export function ordersAt(upstreams: readonly Upstream[], more: ServiceInput = {}): ServiceInput {
  return {
    endpoints: upstreams.map(({ address }) => address),
    loadBalancing: { policy: 'round-robin' },
    retry: { maxAttempts: 1 },
    outlierDetection: false,
    ...more,
  };
}

/** How many requests each upstream got. */
export function shares(upstreams: readonly Upstream[]): readonly number[] {
  return upstreams.map(({ requests }) => requests.length);
}

/** An address of this machine where nobody listens. */
export async function closedAddress(): Promise<string> {
  return `127.0.0.1:${await closedPort()}`;
}
