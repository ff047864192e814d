/**
 * Tells a load reporting server what the clusters of a source do (LRS v3, `StreamLoadStats`). The server says of which clusters it wants
 * to hear and how often; from then on it gets the differences since the last report. Requests are counted from the start of
 * `reportLoad` on, and those between two streams are in the first report of the second, since the server wants them still.
 *
 * A stream that is lost is made again with back-off, which starts over with each response. Reports of single endpoints are not made:
 * a server that asks for them gets localities, and the status says so. Source: `envoy/service/load_stats/v3/lrs.proto`, gRFC A27.
 */
import type { Clock, Random, Timer } from '../../base/runtime.ts';
import type { ControlPlaneStatus } from '../../model/contracts.ts';
import type { ClusterLoad } from '../../model/cluster-load.ts';
import { systemRandom } from '../../base/runtime.ts';
import type { GrpcConnection, GrpcMetadata } from '../../wire/grpc-client.ts';
import { runWatch } from '../watch.ts';
import { nodeMessage, type NodeConfig } from './client/node.ts';
import { LoadDifferences } from './lrs/load-differences.ts';
import { loadStatsRequest, readLoadStatsResponse } from './lrs/load-stats-message.ts';

/** A connection for one stream. */
export interface LoadConnection {
  readonly connection: GrpcConnection;
  readonly metadata?: GrpcMetadata;
}

/** What load reporting needs. */
export interface LoadReporting {
  /**
   * A connection of its own to the server, for each attempt, with the metadata of its call; closed when the stream is over. `failures`
   * is how many attempts in a row had no answer.
   */
  readonly connect: (failures: number) => LoadConnection | Promise<LoadConnection>;
  readonly node: NodeConfig;
  /** `ControlPlaneContext.load`. */
  readonly load: () => readonly ClusterLoad[];
  readonly clock: Clock;
  readonly random?: Random;
  readonly signal: AbortSignal;
  readonly onStatus?: (status: ControlPlaneStatus) => void;
}

const path = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';
/** That `send_all_clusters` is understood. Source: `lrs.proto`. */
const feature = 'envoy.lrs.supports_send_all_clusters';
/** A server that asks for more would make the reports the load. Source: gRPC C-core, the least interval of its client. */
const minIntervalMs = 1000;

/** Reports until the signal aborts; then it resolves. Never rejects. */
export function reportLoad(options: LoadReporting): Promise<void> {
  const { clock, load, node, signal, random = systemRandom, onStatus = () => {} } = options;
  const differences = new LoadDifferences(load, clock.now());
  const nodeBytes = nodeMessage({ ...node, features: [...(node.features ?? []), feature] });
  return runWatch({
    clock,
    random,
    signal,
    onStatus,
    async connect(session) {
      const { connection, metadata } = await options.connect(session.failures);
      try {
        await streamOf(connection, metadata, nodeBytes, differences, clock, session);
      } finally {
        connection.close();
      }
      return 'again';
    },
  });
}

function streamOf(
  connection: GrpcConnection,
  metadata: GrpcMetadata | undefined,
  node: Uint8Array,
  differences: LoadDifferences,
  clock: Clock,
  session: { readonly signal: AbortSignal; good(warning?: string): void },
): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined;
    let intervalMs = 0;
    let reportedMs = Number.NaN;
    const end = (error: Error | undefined): void => {
      timer?.cancel();
      session.signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = (): void => stream.cancel();
    const report = (): void => {
      reportedMs = clock.now();
      stream.send(loadStatsRequest(undefined, differences.take(reportedMs)));
      timer = clock.setTimer(report, intervalMs);
    };
    const stream = connection.stream(path, {
      ...(metadata !== undefined && { metadata }),
      onMessage(bytes) {
        const asked = readLoadStatsResponse(bytes);
        if (asked === undefined) {
          session.good('the load reporting server sent a message that cannot be read; what it asked for before holds');
          return;
        }
        session.good(
          asked.wantsEndpoints ? 'the server asks for the load of each endpoint; it gets that of localities' : undefined,
        );
        timer?.cancel();
        const now = clock.now();
        differences.want(asked.wanted, now);
        intervalMs = Math.max(minIntervalMs, asked.intervalMs);
        // A server that repeats itself does not put its report off.
        if (Number.isNaN(reportedMs)) reportedMs = now;
        const wantsAny = asked.wanted === 'all' || asked.wanted.size > 0;
        if (wantsAny) timer = clock.setTimer(report, Math.max(0, reportedMs + intervalMs - now));
      },
      onEnd: end,
    });
    stream.send(loadStatsRequest(node, []));
    if (session.signal.aborted) onAbort();
    else session.signal.addEventListener('abort', onAbort);
  });
}
