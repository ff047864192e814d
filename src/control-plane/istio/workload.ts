import type { WorkloadConfig } from '../../model/workload.ts';
import type { IstioSettings } from './environment.ts';
import { istioNode } from './node.ts';

/** Who this process is in metrics and to its peers. Source: Istio, `pkg/kube/labels` (canonical service). */
export function workloadOf(settings: IstioSettings): WorkloadConfig {
  const { labels } = settings;
  const app = labels['app'] ?? labels['app.kubernetes.io/name'];
  const version = labels['version'] ?? labels['app.kubernetes.io/version'];
  const owner = settings.metadata['OWNER'];
  return {
    name: settings.workloadName,
    namespace: settings.namespace,
    canonicalName:
      labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? settings.workloadName,
    canonicalRevision:
      labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels['version'] ?? 'latest',
    ...(app !== undefined && { app }),
    ...(version !== undefined && { version }),
    clusterId: settings.clusterId,
    meshId: settings.meshId,
    labels,
    nodeId: istioNode(settings).id,
    instance: settings.podName,
    ...(typeof owner === 'string' && { owner }),
    locality: settings.locality,
  };
}
