/**
 * One host that is asked for its load out of band: a call of `xds.service.orca.v3.OpenRcaService/StreamCoreMetrics` that lasts as long as
 * the host is in use, and is made again, with back-off, when it ends. Source: gRFC A51, "Out-of-band metrics reporting".
 *
 * It has a connection of its own to the endpoint, by the mesh's connector with the TLS identity of the cluster. Over a connection of
 * requests it would keep that from ever being idle: the process could not end, an identity that was rotated would stay in use, and limits
 * and ages of connections would count what is no request.
 */
import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import { reconnectBackoff } from '../../base/backoff.ts';
import type { Clock, Random, Timer } from '../../base/runtime.ts';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { IdentityStore } from '../../security/identity-store.ts';
import type { Host } from '../cluster/host.ts';
import { originOf } from '../health-checks/check-connection.ts';
import { isAuthority, serverNameOf } from '../health-checks/check-target.ts';
import { clientOptionsOf } from '../transport/client-options.ts';
import { createConnector, type Connector } from '../transport/connect.ts';
import { defaultConnectTimeoutMs } from '../transport/connection-factory.ts';
import { cancelStreamsOnClose, sessionsOf } from '../transport/h2-session.ts';
import { defaultKeepAlive, keepAlive } from '../transport/keep-alive.ts';
import { ReportFrames, reportRequest } from './report-frames.ts';

/** What a stream lives on. */
export interface ReportSupport {
  readonly clock: Clock;
  readonly random: Random;
  readonly identities: IdentityStore;
}

/** What its owner hears. */
export interface ReportListener {
  /** Reports do not come (any more): once, until the next one comes. `isFinal`: the host is not asked again. */
  onLost(reason: string, isFinal: boolean): void;
  /** Whether the host is still in use: asked with each report and before each call. False = the stream has closed itself. */
  mayGoOn(): boolean;
}

const path = '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics';
const unimplemented = '12';
/** An open stream keeps it from closing. */
const idleTimeoutMs = 60_000;

export class ReportStream {
  readonly host: Host;
  /** Of the call that runs, or waits to be made again. */
  readonly intervalMs: number;
  private readonly cluster: ClusterConfig;
  private readonly support: ReportSupport;
  private readonly listener: ReportListener;
  private client: Client | undefined = undefined;
  private running: ReportCall | undefined = undefined;
  private timer: Timer | undefined = undefined;
  /** Grows with each call: what an earlier one says is not heard. */
  private epoch = 0;
  private failures = 0;
  private isLost = false;
  /** The host does not know the service: it is not asked again. */
  isRefused = false;

  constructor(host: Host, cluster: ClusterConfig, intervalMs: number, support: ReportSupport, listener: ReportListener) {
    this.host = host;
    this.intervalMs = intervalMs;
    this.cluster = cluster;
    this.support = support;
    this.listener = listener;
  }

  /** Makes the call; one that runs is ended. */
  begin(): void {
    this.close();
    if (this.isRefused || !this.listener.mayGoOn()) return;
    try {
      this.call();
    } catch (error) {
      this.fail((error as Error).message, true);
    }
  }

  /** Ends the call. */
  close(): void {
    this.epoch++;
    this.timer?.cancel();
    this.timer = undefined;
    const { client, running } = this;
    this.client = undefined;
    this.running = undefined;
    // The server is told that the stream is over; what has not been sent yet is not waited for.
    if (running?.cancel() === true) void client?.close().catch(() => client.destroy());
    else void client?.destroy().catch(() => {});
  }

  private call(): void {
    const { cluster, host, epoch } = this;
    if (cluster.protocol === 'http1')
      throw new TypeError('reports out of band are gRPC, which `protocol: http1` of its cluster forbids');
    const tls = host.tls?.mode === 'disabled' ? undefined : host.tls;
    const name = tls === undefined ? undefined : serverNameOf({}, host.endpoint, tls, cluster.name);
    if (tls?.peers.length === 0 && name === undefined)
      throw new TypeError('nothing says whom its certificate must name: set `sni` or `peers` of its TLS');
    const authority = host.hostname ?? name ?? cluster.name;
    const origin = originOf({ authority, tls });
    const client = this.open(origin, name ?? '');
    this.client = client;
    const handler = new ReportCall({
      onReport: (report) => {
        if (epoch !== this.epoch) return;
        this.failures = 0;
        this.isLost = false;
        if (!this.listener.mayGoOn()) this.close();
        else host.observer?.onLoadReport?.(report, this.support.clock.now());
      },
      onEnd: (reason, isFinal) => {
        if (epoch === this.epoch) this.fail(reason, isFinal);
      },
    });
    this.running = handler;
    client.dispatch(
      {
        origin,
        method: 'POST',
        path,
        headers: {
          host: isAuthority(authority) ? authority : cluster.name,
          'user-agent': 'meshfetch',
          'content-type': 'application/grpc',
          te: 'trailers',
        },
        body: reportRequest(this.intervalMs),
      },
      handler,
    );
  }

  private open(origin: string, servername: string): Client {
    const { cluster } = this;
    const connector = this.connector();
    let connected: Socket | null = null;
    const client = new Client(origin, {
      ...clientOptionsOf({ allowH2: true, idleTimeoutMs, http2: cluster.http2 }, 1),
      connect: (options, callback) =>
        connector({ ...options, servername }, (...result) => {
          connected = result[1];
          callback(...result);
        }),
    });
    client.on('connect', () => {
      if (connected === null) return;
      cancelStreamsOnClose(connected, () => {});
      const { clock } = this.support;
      for (const session of sessionsOf(connected))
        keepAlive(session, connected, cluster.http2?.keepAlive ?? defaultKeepAlive, clock, () => true);
    });
    return client;
  }

  private connector(): Connector {
    const { host, cluster, support } = this;
    return createConnector({
      host: host.ip,
      port: host.port,
      ...(host.ip.startsWith('/') && { socketPath: host.ip }),
      ...(host.tls !== undefined && { tls: host.tls }),
      identities: support.identities,
      connectTimeoutMs: cluster.connectTimeoutMs ?? defaultConnectTimeoutMs,
      clock: support.clock,
      h2: 'prior-knowledge',
      isBackground: true,
    });
  }

  private fail(reason: string, isFinal: boolean): void {
    this.close();
    this.isRefused = isFinal;
    const isNews = !this.isLost || isFinal;
    this.isLost = true;
    this.failures++;
    if (!isFinal)
      this.timer = this.support.clock.setTimer(() => this.begin(), reconnectBackoff(this.failures, this.support.random));
    if (isNews) this.listener.onLost(reason, isFinal);
  }
}

interface CallListener {
  onReport(report: NonNullable<ReturnType<ReportFrames['read']>>): void;
  onEnd(reason: string, isFinal: boolean): void;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Reads one call. */
class ReportCall implements Dispatcher.DispatchHandler {
  private readonly listener: CallListener;
  private readonly frames = new ReportFrames();
  private headers: Headers = {};
  private controller: Dispatcher.DispatchController | undefined = undefined;

  constructor(listener: CallListener) {
    this.listener = listener;
  }

  /** Ends it; false where it has not been sent. */
  cancel(): boolean {
    this.controller?.abort(new Error('the reports are not wanted any more'));
    return this.controller !== undefined;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200) return;
    this.headers = headers;
    const type = headers['content-type'];
    const isGrpc = typeof type === 'string' && type.startsWith('application/grpc');
    if (headers['grpc-status'] !== undefined) this.endWith(headers);
    // What is not gRPC does not have the service. Source: gRPC, "HTTP to gRPC Status Code Mapping" (404).
    else if (status === 404) this.listener.onEnd('answered HTTP 404: it does not have the service', true);
    else if (status !== 200 || !isGrpc) this.listener.onEnd(`answered HTTP ${status}, not gRPC`, false);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    try {
      const report = this.frames.read(chunk);
      if (report !== undefined) this.listener.onReport(report);
    } catch (error) {
      this.listener.onEnd((error as Error).message, false);
    }
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Headers | undefined): void {
    this.endWith(trailers?.['grpc-status'] === undefined ? this.headers : trailers);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.listener.onEnd(error.message, false);
  }

  private endWith(headers: Headers): void {
    const status = headers['grpc-status'];
    const isFinal = status === unimplemented;
    this.listener.onEnd(
      isFinal
        ? 'answered UNIMPLEMENTED: it does not have the service'
        : `ended the reports with grpc-status ${String(status ?? 'missing')}`,
      isFinal,
    );
  }
}
