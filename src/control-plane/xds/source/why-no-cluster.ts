import type { KeptKind, KeptResources } from './kept-resources.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { WantedCluster } from './wanted-clusters.ts';

/** Why there is no such cluster, or nothing to send requests to in it; undefined while that may still come, or when all is there. */
export function whyNoCluster(
  name: string,
  cluster: WantedCluster | undefined,
  parts: {
    readonly kept: Readonly<Record<KeptKind, KeptResources>>;
    readonly absences: Readonly<Record<KeptKind, ReadonlyMap<string, string>>>;
    readonly subscriptions: Subscriptions;
  },
): string | undefined {
  const { kept, absences, subscriptions } = parts;
  if (cluster !== undefined) {
    const { endpointsName } = cluster.read;
    if (endpointsName === undefined || kept.endpoints.has(endpointsName)) return undefined;
    const reason = absences.endpoints.get(endpointsName) ?? refusalOf(kept.endpoints, endpointsName);
    return reason && `endpoints ${JSON.stringify(endpointsName)}: ${reason}`;
  }
  const refusal = refusalOf(kept.cluster, name);
  if (refusal !== undefined) return refusal;
  if (subscriptions.isWildcard('cluster'))
    return kept.cluster.isComplete ? `the server has ${kept.cluster.size} clusters, and none has this name` : undefined;
  return absences.cluster.get(name);
}

function refusalOf(kept: KeptResources, name: string): string | undefined {
  const problems = kept.get(name)?.refusal?.problems;
  if (problems === undefined || problems.length === 0) return undefined;
  const { path, reason } = problems[0]!;
  return `what came was refused: ${path === '' ? '' : `${path} `}${reason}`;
}
