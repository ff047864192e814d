/**
 * Consul service discovery: `http://orders/` reaches the instances that are registered and healthy, and follows them as they come and
 * go. Services are watched when they are first asked for, by blocking queries on `/v1/health/service/:name`.
 */
import { runWatch } from '../watch.ts';
import { createStatusBoard } from '../watch-status.ts';
import type { ControlPlane, Demand } from '../../model/contracts.ts';
import { MeshError } from '../../base/errors.ts';
import { createConsulClient } from './client.ts';
import { consulSettings, type ConsulOptions } from './options.ts';
import { Publisher } from './publisher.ts';
import { retryAfterOf } from './retry-after.ts';
import { ServiceWatches } from './service-watches.ts';

export type { ConsulOptions } from './options.ts';
export { consulOptionsFromUrl } from './options-from-url.ts';
export { ConsulToken } from './token.ts';

/**
 * A control plane that asks Consul. Throws a TypeError or RangeError for a wrong option and a MeshError for a file that cannot be
 * read; whether Consul can be reached shows in the status, since that may mend itself.
 */
export function consulControlPlane(
  options: ConsulOptions = {},
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ControlPlane {
  const settings = consulSettings(options, environment);
  /** Demands that came before `run`. */
  let early: { readonly want: Demand; readonly until: AbortSignal }[] = [];
  let watches: ServiceWatches | undefined;
  return {
    name: settings.name,
    // An agent on this machine is asked about this machine's services as well.
    remoteAddresses: { allowLoopback: isLoopback(settings.origin) },
    async run(context) {
      const { clock, random, signal, sink } = context;
      if (watches !== undefined) throw new TypeError('this Consul control plane runs already; make one per mesh');
      const client = createConsulClient(settings);
      const board = createStatusBoard((status) => sink.status(status));
      const publisher = new Publisher(settings.name, settings.domain, sink, () => context.defaults?.current());
      watches = new ServiceWatches({ context, client, settings, publisher, board });
      const started = watches;
      context.defaults?.onChange(() => started.defaultsChanged());
      for (const { want, until } of early) watches.demand(want, until);
      early = [];
      // Shows a wrong address before the first request does.
      await runWatch({
        clock,
        random,
        signal,
        async connect(session) {
          const leader = await client.leader(signal);
          if (leader === '')
            throw new MeshError('MESH_CONTROL_PLANE', `Consul at ${settings.origin} has no leader yet; wait for the election`);
          session.good();
          return 'done';
        },
        onStatus: (status) => board.set('leader', status),
        retryAfterMs: (error) => retryAfterOf(error, clock.wallNow()),
      });
      // From here on the watches speak for the source; before the first one, the last word stands.
      board.delete('leader');
      await aborted(signal);
      await client.close();
    },
    demand(want, until) {
      if (watches === undefined) early.push({ want, until });
      else watches.demand(want, until);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function isLoopback(origin: string): boolean {
  const { hostname } = new URL(origin);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
