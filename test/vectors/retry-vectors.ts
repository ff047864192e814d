import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What came of a request. */
export interface RetryAnswer {
  readonly status: number;
  /** Whether the response body came to its end. */
  readonly complete: boolean;
  readonly attempts: number;
}

/** One case: a request under a policy, what the endpoint does with its attempts, and what came of it. */
export interface RetryVector extends RetryAnswer {
  readonly id: string;
  /** Which of the policies. */
  readonly policy: number;
  readonly method: string;
  /** Bytes of the request body. */
  readonly body: number;
  readonly script: readonly string[];
}

/** Retry policies as JSON of Envoy, and what Envoy made of the cases. */
export interface RetryVectors {
  readonly policies: readonly object[];
  readonly cases: readonly RetryVector[];
}

/** Where the vectors are; undefined when nobody said so. */
export const vectorsFolder = process.env['MESHFETCH_VECTORS'];

/** Longest time of a request with all its attempts: more than three waits of the 1.5 s that `retry-after: 1` may ask for. */
const timeout = '5s';

/** Files of retry vectors that are there. */
export function retryVectorFiles(folder: string): readonly string[] {
  const open = join(folder, 'open');
  if (!existsSync(open)) return [];
  const names = readdirSync(open).filter((name) => /^retry-.*\.json$/.test(name));
  return names.toSorted().map((name) => join(open, name));
}

/** Reads a file of vectors. */
export async function readRetryVectors(file: string): Promise<RetryVectors> {
  return JSON.parse(await readFile(file, 'utf8')) as RetryVectors;
}

/** The virtual host of a case. */
export function hostOf(id: string): string {
  return `${id.replaceAll('_', '-')}.test`;
}

/**
 * Resources of Envoy for these cases. Each has a cluster of its own: what one request meets must not count against the next, neither
 * as a failure of the endpoint nor in the retry budget.
 */
export function retryResources(
  { policies, cases }: Pick<RetryVectors, 'policies'> & { readonly cases: readonly Pick<RetryVector, 'id' | 'policy'>[] },
  port: number,
): { routes: object; clusters: readonly object[] } {
  const routes = {
    '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
    name: 'retry',
    virtual_hosts: cases.map(({ id, policy }) => ({
      name: id,
      domains: [hostOf(id)],
      routes: [{ match: { prefix: '/' }, route: { cluster: id, timeout, retry_policy: policies[policy] } }],
    })),
  };
  const clusters = cases.map(({ id }) => ({
    '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
    name: id,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: id,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] }],
    },
  }));
  return { routes, clusters };
}
