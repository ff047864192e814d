import { PeerLatency } from './peer-latency.ts';

/** Routes of a cluster; a configuration that names more of them over time starts anew. */
const maxRoutes = 500;

/** The latencies of a cluster by route: they outlive the routes, which are compiled anew with each change of their table. */
export class RouteLatencies {
  private byRoute: Map<string, PeerLatency> | undefined = undefined;

  /** Those of this route; made on first use. */
  of(route: string): PeerLatency {
    const latencies = (this.byRoute ??= new Map());
    let latency = latencies.get(route);
    if (latency === undefined) {
      if (latencies.size >= maxRoutes) latencies.clear();
      latencies.set(route, (latency = new PeerLatency()));
    }
    return latency;
  }
}
