import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock, systemRandom } from '../../../src/base/runtime.ts';
import { consulControlPlane, type ConsulOptions } from '../../../src/control-plane/consul/index.ts';
import type { Demand } from '../../../src/model/contracts.ts';
import { RecordingSink } from '../../support/recording-sink.ts';

/** A Consul control plane that runs, with a sink that remembers what it delivers. */
export interface Watcher extends AsyncDisposable {
  readonly sink: RecordingSink;
  demand(host: string, port?: number): Demand;
  /** Resolves when the service has exactly these ports. */
  untilPorts(cluster: string, ports: readonly number[]): Promise<void>;
}

export function startWatcher(options: ConsulOptions): Watcher {
  const plane = consulControlPlane(options, {});
  const sink = new RecordingSink();
  const stop = new AbortController();
  const run = plane.run({ sink, clock: systemClock, random: systemRandom, signal: stop.signal });
  return {
    sink,
    demand(host, port = 80) {
      const want: Demand = { kind: 'authority', host, port };
      plane.demand?.(want, stop.signal);
      return want;
    },
    async untilPorts(cluster, ports) {
      const expected = ports.toSorted((a, b) => a - b).join();
      await sink.until(
        () =>
          sink
            .endpoints(cluster)
            ?.map(({ port }) => port)
            .toSorted((a, b) => a - b)
            .join() === expected,
      );
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await run;
    },
  };
}

/** A real HTTP server that answers with its port. */
export interface Instance extends AsyncDisposable {
  readonly port: number;
}

export async function startInstance(): Promise<Instance> {
  const server = createServer((_request, response) => response.end(String((server.address() as AddressInfo).port)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}
