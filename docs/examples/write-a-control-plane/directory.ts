import { sleep } from './sleep.ts';
import type { ConfigUpdate, ControlPlane, ControlPlaneContext, Resource } from 'meshfetch';

//#region translate
/** What the directory answers: names of services with the addresses of their instances. */
export type Directory = Readonly<Record<string, readonly string[]>>;

/** A directory in words of the mesh: for each service a cluster and a virtual host that leads to it. Pure, so that it is easy to test. */
export function updateFrom(directory: Directory, version: string): ConfigUpdate {
  const names = Object.keys(directory);
  const clusters = names.map((name): Resource => ({
    kind: 'cluster',
    name,
    value: {
      name,
      discovery: {
        kind: 'static',
        localities: [{ locality: {}, priority: 0, endpoints: directory[name]!.map(endpointFrom) }],
      },
      loadBalancing: { policy: 'least-request' },
      outlierDetection: { baseEjectionMs: 30_000, maxEjectionMs: 300_000, maxEjectionPercent: 50 },
    },
  }));
  const table: Resource = {
    kind: 'route-table',
    name: 'directory',
    value: {
      name: 'directory',
      virtualHosts: names.map((name) => ({
        name,
        domains: [name], // http://NAME/, on any port
        routes: [{ name, match: {}, action: { kind: 'forward', to: [{ cluster: name, weight: 1 }] } }],
      })),
      policy: { timeoutMs: 5000, retry: { maxAttempts: 2, on: ['connect-failure', 'reset'] } },
    },
  };
  // The way out: requests on every port are served by that table.
  const listener: Resource = {
    kind: 'listener',
    name: 'directory',
    value: { direction: 'outbound', name: 'directory', routes: 'directory' },
  };
  // `replaces`: this is all there is, so a service that is gone from the directory goes from the mesh.
  return { version, set: [listener, table, ...clusters], remove: [], replaces: ['cluster'] };
}

function endpointFrom(address: string) {
  const { hostname, port } = new URL(`http://${address}`);
  return { address: hostname, port: Number(port) };
}
//#endregion

//#region run
/** A control plane that reads a directory of services over HTTP, every `everyMs`. */
export function directoryControlPlane(url: string, everyMs = 5000): ControlPlane {
  return {
    name: 'directory',
    // Others write to the directory: its addresses must not lead into this machine, unless the directory itself runs here.
    remoteAddresses: { allowLoopback: new URL(url).hostname === '127.0.0.1' },
    async run({ sink, clock, signal }: ControlPlaneContext) {
      let last = '';
      while (!signal.aborted) {
        try {
          const response = await fetch(url, { signal });
          if (!response.ok) throw new Error(`the directory answered ${response.status}`);
          const text = await response.text();
          if (text !== last) await sink.apply(updateFrom(JSON.parse(text) as Directory, String(clock.wallNow())));
          last = text;
          sink.status({ state: 'connected' });
        } catch (error) {
          // What was delivered stays in force; the next round tries again.
          if (!signal.aborted) sink.status({ state: 'disconnected', error: `${url}: ${String(error)}` });
        }
        await sleep(clock, everyMs, signal);
      }
    },
  };
}
//#endregion
