/** What a program holds of a mesh: its doors, and the views of what it knows. mesh.ts makes it. */
import type http from 'node:http';
import type https from 'node:https';
import type { Dispatcher } from 'undici';
import type { Explanation } from './admin/explain.ts';
import type { MeshStatus } from './admin/status.ts';
import type { InboundServer, ListenOptions, RequestListener } from './data-plane/listen/listen-options.ts';
import type { InboundDoor, InboundDoorOptions } from './model/inbound.ts';

/** A mesh: the doors through which requests go out, and the views of what it knows. */
export interface Mesh extends AsyncDisposable {
  readonly name: string;
  /** Node's fetch, with the mesh under it. Classes are Node's own. */
  readonly fetch: typeof globalThis.fetch;
  /** An undici Dispatcher: `request()`, `stream()`, `setGlobalDispatcher()`, WebSocket, EventSource. */
  readonly dispatcher: Dispatcher;
  /** The `agent` of requests to `http:` by node:http, and by what is written on it: axios, got, the AWS SDK, ws. */
  readonly httpAgent: http.Agent;
  /** The same for `https:`. */
  readonly httpsAgent: https.Agent;
  /**
   * Serves `handler` on a port of the mesh's own: mutual TLS with the mesh's identity beside plaintext, HTTP/1.1 and HTTP/2, and the
   * policy in front. Rejects with a TypeError or RangeError for wrong options, or when the port cannot be had.
   */
  listen(handler: RequestListener, options: ListenOptions): Promise<InboundServer>;
  /** The way in for a server that somebody else owns: what the integrations with frameworks are written on. */
  inbound(options?: InboundDoorOptions): InboundDoor;
  /**
   * Whether requests to this origin are an affair of the mesh: a control plane names its host, or failed before it could say, or unknown
   * hosts are refused. DNS as the last resort does not count. At once when that is known, else when the sources that answer on demand
   * have said so; rejects with MESH_CONFIG_TIMEOUT after `configTimeoutMs`. Throws MESH_REQUEST_INVALID for what is no HTTP origin.
   */
  serves(origin: string | URL): boolean | Promise<boolean>;
  /** Dry run: which route, cluster, endpoints and policy a request would meet, and why. Nothing is sent. */
  explain(url: string | URL, init?: { method?: string; headers?: Record<string, string> }): Explanation;
  /** What the mesh knows now: control planes, services, endpoints with their state, identities, problems. No secrets. */
  status(): MeshStatus;
  /**
   * Resolves when every control plane has delivered once, or is connected where it answers on demand (or serves what the disk has, or
   * stands down), and identities are there. Rejects with the states after `configTimeoutMs`, or when a control plane has failed.
   */
  ready(): Promise<void>;
  /** Refuses new requests, lets those under way finish for `drainTimeoutMs`, closes every connection and stops watching. */
  close(): Promise<void>;
}
