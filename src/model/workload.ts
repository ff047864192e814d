import type { Locality } from './cluster.ts';

/** Who this process is in the words of its mesh: for the labels of metrics, and for what peers are told. */
export interface WorkloadConfig {
  readonly name: string;
  readonly namespace: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly app?: string;
  readonly version?: string;
  /** Name of the cluster of machines (Kubernetes) it runs in. */
  readonly clusterId?: string;
  readonly meshId?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the xDS node, which peers know it by. Without it nothing is told to them. */
  readonly nodeId?: string;
  /** Name of this one instance: of its pod. */
  readonly instance?: string;
  /** What made it, as a URL: `kubernetes://apis/apps/v1/namespaces/shop/deployments/orders`. */
  readonly owner?: string;
  readonly locality?: Locality;
}
