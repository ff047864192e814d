/**
 * The real mesh in virtual time: `createMesh` with the clock of an {@link EventQueue} and seeded chance, whose sockets lead to simulated
 * hosts. Routing, balancing, detection, breakers, retries and hedges are those of the product, line for line; only undici and the
 * network are replaced.
 */
import type { Dispatcher } from 'undici';
import { yieldToLoop, type Random } from '../../src/base/runtime.ts';
import { safeDefaults } from '../../src/control-plane/safe-defaults.ts';
import { createMesh } from '../../src/mesh.ts';
import type { Mesh } from '../../src/mesh-interface.ts';
import type { ClusterConfig } from '../../src/model/cluster.ts';
import type { ControlPlane } from '../../src/model/contracts.ts';
import type { HashPolicy } from '../../src/model/affinity.ts';
import type { RequestPolicy, RouteConfig } from '../../src/model/route.ts';
import { subscribe } from '../../src/telemetry/channels.ts';
import type { EventQueue } from './event-queue.ts';
import { replaceSockets } from './simulated-client.ts';
import type { SimulatedHost } from './simulated-host.ts';
import { withVirtualTimers } from './virtual-timers.ts';

export interface SimulatedMeshOptions {
  readonly queue: EventQueue;
  /** Of the mesh's own draws. */
  readonly random: Random;
  /** Of the hosts. */
  readonly hostRandom: Random;
  readonly hosts: readonly SimulatedHost[];
  /** Beside the safe defaults. */
  readonly cluster?: Partial<ClusterConfig>;
  readonly policy?: RequestPolicy;
  readonly hashPolicies?: readonly HashPolicy[];
}

/** A host that detection took out, or let in again. */
export interface HostChange {
  readonly atMs: number;
  readonly kind: 'ejected' | 'returned';
  readonly host: SimulatedHost;
  readonly reason: string;
  /** Requests that it had been given by then, and those of them that it had failed. */
  readonly picked: number;
  readonly failed: number;
}

/** What is said of one request. */
export interface RequestOptions {
  readonly path?: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
}

/** A mesh under test. */
export interface SimulatedMesh {
  readonly mesh: Mesh;
  /** Ejections and returns, in order of time. */
  readonly changes: readonly HostChange[];
  /** Sends a GET unless told otherwise; `done` hears whether the caller got a 200. */
  send(done?: (isGood: boolean) => void, more?: RequestOptions): void;
}

let meshes = 0;

/** Makes a mesh over these hosts, lets `work` run with timers and sockets replaced, and closes it. */
export async function withSimulatedMesh<T>(options: SimulatedMeshOptions, work: (mesh: SimulatedMesh) => Promise<T>): Promise<T> {
  const { queue, random, hosts } = options;
  const byAddress = new Map(hosts.map((host) => [host.address, host]));
  const putSocketsBack = replaceSockets({ queue, random: options.hostRandom, hostAt: (address) => byAddress.get(address)! });
  try {
    return await withVirtualTimers(queue, async () => {
      const name = `simulated-${++meshes}`;
      const mesh = await createMesh({ name, controlPlane: planeOf(options), clock: queue, random, unknownHosts: 'refuse' });
      await mesh.ready();
      const changes: HostChange[] = [];
      const stopWatching = watchHosts(name, queue, byAddress, changes);
      const send: SimulatedMesh['send'] = (done, more) =>
        void mesh.dispatcher.dispatch({ ...request, ...more }, new Caller(done));
      try {
        return await work({ mesh, changes, send });
      } finally {
        stopWatching();
        const closing = mesh.close();
        await queue.runSettled(queue.now() + closeMs, yieldToLoop);
        await closing;
      }
    });
  } finally {
    putSocketsBack();
  }
}

/** Lets `queue` go on to `endMs`, and promises settle on the way. */
export function runMesh(queue: EventQueue, endMs: number): Promise<void> {
  return queue.runSettled(endMs, yieldToLoop);
}

/** Longer than the mesh waits for requests that never end. */
const closeMs = 15_000;

const request: Dispatcher.DispatchOptions = { origin: 'http://orders', path: '/api/items', method: 'GET', headers: {} };

/** Who waits for an answer. */
class Caller implements Dispatcher.DispatchHandler {
  private status = 0;
  private readonly done: ((isGood: boolean) => void) | undefined;
  constructor(done: ((isGood: boolean) => void) | undefined) {
    this.done = done;
  }
  onRequestStart(): void {}
  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.status = status;
  }
  onResponseData(): void {}
  onResponseEnd(): void {
    this.done?.(this.status === 200);
  }
  onResponseError(): void {
    this.done?.(false);
  }
}

function planeOf({ hosts, cluster, policy = safeDefaults.policy, hashPolicies }: SimulatedMeshOptions): ControlPlane {
  const endpoints = hosts.map(({ address, weight }) => {
    const colon = address.lastIndexOf(':');
    return { address: address.slice(0, colon), port: Number(address.slice(colon + 1)), weight };
  });
  const name = 'orders';
  const route: RouteConfig = {
    name,
    match: {},
    action: { kind: 'forward', to: [{ cluster: name, weight: 1 }], ...(hashPolicies && { hashPolicies }) },
  };
  return {
    name: 'simulation',
    async run({ sink, signal }) {
      await sink.apply({
        version: '1',
        remove: [],
        set: [
          {
            kind: 'listener',
            name,
            value: {
              direction: 'outbound',
              name,
              routes: { name, policy, virtualHosts: [{ name, domains: [name], routes: [route] }] },
            },
          },
          {
            kind: 'cluster',
            name,
            value: {
              ...safeDefaults.cluster,
              name,
              discovery: { kind: 'static', localities: [{ locality: {}, priority: 0, endpoints }] },
              ...cluster,
            },
          },
        ],
      });
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };
}

/** Writes down what the events of this mesh say. */
function watchHosts(
  name: string,
  queue: EventQueue,
  byAddress: ReadonlyMap<string, SimulatedHost>,
  changes: HostChange[],
): () => void {
  const watch =
    (kind: HostChange['kind']) =>
    (event: { readonly mesh: string; readonly endpoint: string; readonly reason?: string }): void => {
      const { mesh, endpoint, reason = '' } = event;
      const host = byAddress.get(endpoint);
      if (mesh !== name || host === undefined) return;
      changes.push({ atMs: queue.now(), kind, host, reason, picked: host.picked, failed: host.failed });
    };
  const stops = [subscribe('host:ejected', watch('ejected')), subscribe('host:returned', watch('returned'))];
  return () => {
    for (const stop of stops) stop();
  };
}
