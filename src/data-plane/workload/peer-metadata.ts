/**
 * What Istio's proxies tell each other in `x-envoy-peer-metadata`: a `google.protobuf.Struct` in base64 that says who the workload is.
 * Equal workloads give equal bytes. Source: istio/proxy `metadata_object.cc`, `peer_metadata/filter.cc`.
 */
import type { WorkloadConfig } from '../../model/workload.ts';
import type { PeerWorkload } from '../../telemetry/workload-labels.ts';
import { readStruct, structMessage, type StructFields, type StructValue } from '../../wire/protobuf-struct.ts';

const labelNames = {
  canonicalName: 'service.istio.io/canonical-name',
  canonicalRevision: 'service.istio.io/canonical-revision',
  app: ['app.kubernetes.io/name', 'app'],
  version: ['app.kubernetes.io/version', 'version'],
} as const;

/** A peer writes them, and metrics have them as labels. */
const maxTextLength = 256;
/** Of the base64 text: several kilobytes of labels of a pod. */
const maxMetadataLength = 16_384;

/** The header that tells peers who this workload is. */
export function peerMetadataOf(workload: WorkloadConfig): string {
  const { name, namespace, canonicalName, canonicalRevision, app, version, clusterId, instance, owner, locality } = workload;
  const fields = withoutEmpty({
    NAME: instance,
    NAMESPACE: namespace,
    WORKLOAD_NAME: name,
    CLUSTER_ID: clusterId,
    LABELS: withoutEmpty({
      [labelNames.canonicalName]: canonicalName,
      [labelNames.canonicalRevision]: canonicalRevision,
      app,
      version,
    }),
    OWNER: owner,
    REGION: locality?.region,
    AVAILABILITY_ZONE: locality?.zone,
  });
  return Buffer.from(structMessage(fields)).toString('base64');
}

function withoutEmpty(fields: Readonly<Record<string, StructValue | undefined>>): StructFields {
  const kept = Object.entries(fields).filter(
    (entry): entry is [string, StructValue] => entry[1] !== undefined && entry[1] !== '',
  );
  return Object.fromEntries(kept);
}

/** Who the peer says it is; undefined for what cannot be read. */
export function peerWorkloadFrom(header: string): PeerWorkload | undefined {
  if (header.length > maxMetadataLength) return undefined;
  const fields = readStruct(Buffer.from(header, 'base64'));
  if (fields === undefined) return undefined;
  const labels = fields['LABELS'];
  const ofLabels = typeof labels === 'object' && labels !== null && !Array.isArray(labels) ? (labels as StructFields) : {};
  const first = (names: readonly string[]): string =>
    names.map((name) => textAt(ofLabels, name)).find((text) => text !== '') ?? '';
  return {
    name: textAt(fields, 'WORKLOAD_NAME'),
    namespace: textAt(fields, 'NAMESPACE'),
    canonicalName: textAt(ofLabels, labelNames.canonicalName),
    canonicalRevision: textAt(ofLabels, labelNames.canonicalRevision),
    app: first(labelNames.app),
    version: first(labelNames.version),
    clusterId: textAt(fields, 'CLUSTER_ID'),
    identity: textAt(fields, 'IDENTITY'),
  };
}

function textAt(fields: StructFields, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value.slice(0, maxTextLength) : '';
}
