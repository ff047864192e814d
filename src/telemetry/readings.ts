/**
 * Gauges are read when metrics are collected, not kept up to date: a connection that was opened before an SDK was registered
 * still counts, and taking one off a stack costs nothing.
 */
import { otherName } from './bounded-names.ts';
import type { ObservableResult } from '@opentelemetry/api';
import type { Clock } from '../base/runtime.ts';
import type { Instruments } from './instruments.ts';
import type { MeshScope } from './mesh-scope.ts';

/** The connections of one cluster now. */
export interface OpenConnections {
  readonly cluster: string;
  /** The logical service. */
  readonly serverAddress: string;
  readonly serverPort: number;
  /** With a request on them. */
  readonly active: number;
  readonly idle: number;
}

/** The end of a certificate. */
export interface IdentityExpiry {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly expiresMs: number;
}

/** The connections that came in to a port and are open. */
export interface InboundConnections {
  readonly port: number;
  readonly connections: number;
}

/** Who can say how things stand. */
export interface TelemetrySource {
  openConnections?(): Iterable<OpenConnections>;
  identities?(): Iterable<IdentityExpiry>;
  inboundConnections?(): Iterable<InboundConnections>;
}

interface Sum {
  active: number;
  idle: number;
  readonly labels: Readonly<Record<string, string | number>>;
}

/** Reads all sources into the observable instruments of whichever SDK is registered. */
export class Readings {
  private readonly sources = new Set<TelemetrySource>();
  private readonly scope: MeshScope;
  private readonly clock: Clock;
  private instruments: Instruments | undefined = undefined;
  private isClosed = false;
  private readonly ports = new Map<number, number>();
  private reported: ReadonlyMap<string, Sum> = new Map();
  private readonly readConnections = (result: ObservableResult): void => this.connections(result);
  private readonly readIdentities = (result: ObservableResult): void => this.identities(result);
  private readonly readInbound = (result: ObservableResult): void => this.inbound(result);

  constructor(scope: MeshScope, clock: Clock) {
    this.scope = scope;
    this.clock = clock;
  }

  add(source: TelemetrySource): () => void {
    this.sources.add(source);
    return () => this.sources.delete(source);
  }

  /** Reads no more, now or after another SDK was registered. */
  close(): void {
    this.attach(undefined);
    this.isClosed = true;
    this.sources.clear();
  }

  /** Moves over to the instruments of another SDK; undefined = to none. */
  attach(instruments: Instruments | undefined): void {
    if (this.isClosed) return;
    this.instruments?.get('http.client.open_connections').removeCallback(this.readConnections);
    this.instruments?.get('meshfetch.identity.expiry').removeCallback(this.readIdentities);
    this.instruments?.get('meshfetch.server.open_connections').removeCallback(this.readInbound);
    this.instruments = instruments;
    instruments?.get('meshfetch.server.open_connections').addCallback(this.readInbound);
    instruments?.get('http.client.open_connections').addCallback(this.readConnections);
    instruments?.get('meshfetch.identity.expiry').addCallback(this.readIdentities);
  }

  private connections(result: ObservableResult): void {
    // Summed first: of two observations with the same labels the SDK keeps the last one.
    const sums = new Map<string, Sum>();
    for (const source of this.sources) {
      for (const open of source.openConnections?.() ?? []) {
        const service = this.scope.services.labelWithPort(open.serverAddress, open.serverPort);
        const labels = {
          'meshfetch.mesh.name': this.scope.meshName,
          'meshfetch.cluster': this.scope.clusters.label(open.cluster),
          'server.address': service,
          ...(service !== otherName && { 'server.port': open.serverPort }),
        };
        const key = JSON.stringify(labels);
        const sum = sums.get(key) ?? { active: 0, idle: 0, labels };
        sum.active += open.active;
        sum.idle += open.idle;
        sums.set(key, sum);
      }
    }
    // The SDK repeats the last value of labels that are no longer observed: a cluster that is gone has to be
    // taken to zero, and stay there for every reader. The labels are bounded, so what is kept is.
    for (const [key, { labels }] of this.reported) if (!sums.has(key)) sums.set(key, { active: 0, idle: 0, labels });
    this.reported = sums;
    for (const { active, idle, labels } of sums.values()) {
      result.observe(active, { ...labels, 'http.connection.state': 'active' });
      result.observe(idle, { ...labels, 'http.connection.state': 'idle' });
    }
  }

  private identities(result: ObservableResult): void {
    const now = this.clock.wallNow();
    for (const source of this.sources) {
      for (const { name, expiresMs } of source.identities?.() ?? []) {
        result.observe((expiresMs - now) / 1000, {
          'meshfetch.identity.name': name,
          'meshfetch.mesh.name': this.scope.meshName,
        });
      }
    }
  }

  private inbound(result: ObservableResult): void {
    // As above: a port that is closed stays, at zero.
    for (const port of this.ports.keys()) this.ports.set(port, 0);
    for (const source of this.sources) {
      for (const { port, connections } of source.inboundConnections?.() ?? [])
        this.ports.set(port, (this.ports.get(port) ?? 0) + connections);
    }
    for (const [port, connections] of this.ports)
      result.observe(connections, { 'server.port': port, 'meshfetch.mesh.name': this.scope.meshName });
  }
}
