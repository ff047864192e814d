import type { Locality } from '../../model/cluster.ts';
import type { IstioSettings } from './environment.ts';
import type { NodeMetadataValue } from './options.ts';

/** What istiod is told of this process. */
export interface IstioNode {
  readonly id: string;
  readonly cluster: string;
  readonly locality: Locality;
  readonly metadata: Readonly<Record<string, NodeMetadataValue>>;
}

/** The version whose configuration is understood; istiod leaves out what an older proxy would not. */
const istioVersion = '1.31.0';

/**
 * Metadata that would make istiod send what is not done here: `GENERATOR: grpc` gives the configuration of proxyless gRPC, which lacks
 * outlier detection and automatic mTLS; HBONE asks for tunnels.
 */
const refused = ['GENERATOR', 'ENABLE_HBONE', 'ENABLE_SELF_DISCOVERY'];

/**
 * The node of a sidecar. istiod reads type, address and names out of the id, so that it has four parts; NAMESPACE and SERVICE_ACCOUNT
 * have to be those of the token. Source: Istio, `pilot/pkg/model/context.go` and `pkg/bootstrap/config.go`.
 */
export function istioNode(settings: IstioSettings): IstioNode {
  const { podName, namespace, serviceAccount, addresses, labels, annotations, clusterDomain, network, proxyConfig } = settings;
  const workloadLabels = labelsFor(labels);
  const metadata: Record<string, NodeMetadataValue> = {
    ISTIO_VERSION: istioVersion,
    ...settings.metadata,
    // Nothing is intercepted; without interception (NONE) istiod sends listeners for single addresses of loopback instead of ports.
    INTERCEPTION_MODE: 'REDIRECT',
    NAME: podName,
    NAMESPACE: namespace,
    SERVICE_ACCOUNT: serviceAccount,
    INSTANCE_IPS: addresses.join(','),
    CLUSTER_ID: settings.clusterId,
    MESH_ID: settings.meshId,
    WORKLOAD_NAME: settings.workloadName,
    ...(network !== undefined && { NETWORK: network }),
    ...(Object.keys(workloadLabels).length > 0 && { LABELS: workloadLabels }),
    ...(Object.keys(annotations).length > 0 && { ANNOTATIONS: annotations }),
    ...(proxyConfig.whole !== undefined && { PROXY_CONFIG: proxyConfig.whole as Record<string, NodeMetadataValue> }),
  };
  for (const name of refused) delete metadata[name];
  return {
    id: `sidecar~${addresses[0]!}~${podName}.${namespace}~${namespace}.svc.${clusterDomain}`,
    cluster: `${labels['app'] ?? labels['app.kubernetes.io/name'] ?? settings.workloadName}.${namespace}`,
    locality: settings.locality,
    metadata,
  };
}

/** Without the hash of the pod's template; a locality with the slashes that istiod takes it apart by, which no label may have. */
function labelsFor(all: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const labels = { ...all };
  delete labels['pod-template-hash'];
  for (const name of ['topology.istio.io/locality', 'istio-locality']) {
    const label = labels[name];
    if (label !== undefined && !label.includes('/')) labels[name] = label.replaceAll('.', '/');
  }
  return labels;
}

/** What was asked for in the metadata and is not done here. */
export function refusedMetadata(settings: IstioSettings): readonly string[] {
  return refused.filter((name) => settings.metadata[name] !== undefined && settings.metadata[name] !== 'false');
}
