/** Who asks an xDS server for configuration: `envoy.config.core.v3.Node`, in the bytes that go into the first request of a stream. */
import type { Locality } from '../../../model/cluster.ts';
import { ProtobufWriter } from '../../../wire/protobuf.ts';
import { structMessage, type StructFields } from '../../../wire/protobuf-struct.ts';

export type { StructValue } from '../../../wire/protobuf-struct.ts';

/** The node of this process. */
export interface NodeConfig {
  readonly id: string;
  readonly cluster?: string;
  readonly locality?: Locality;
  readonly metadata?: StructFields;
  /** Default `meshfetch`. */
  readonly userAgentName?: string;
  readonly userAgentVersion?: string;
  /** In addition to {@link clientFeatures}. */
  readonly features?: readonly string[];
}

/** What every server is told that this client can do: resources wrapped in `envoy.service.discovery.v3.Resource`. Source: Envoy, "Client features". */
const clientFeatures = ['xds.config.resource-in-sotw'] as const;

/** The bytes of a node. */
export function nodeMessage(node: NodeConfig): Uint8Array {
  const writer = new ProtobufWriter().text(1, node.id);
  if (node.cluster !== undefined) writer.text(2, node.cluster);
  if (node.metadata !== undefined) writer.message(3, structMessage(node.metadata));
  if (node.locality !== undefined) writer.message(4, localityMessage(node.locality));
  writer.text(6, node.userAgentName ?? 'meshfetch');
  if (node.userAgentVersion !== undefined) writer.text(7, node.userAgentVersion);
  for (const feature of new Set([...clientFeatures, ...(node.features ?? [])])) writer.text(10, feature);
  return writer.finish();
}

/** A message `envoy.config.core.v3.Locality`. */
export function localityMessage({ region, zone, subZone }: Locality): ProtobufWriter {
  const writer = new ProtobufWriter();
  if (region !== undefined) writer.text(1, region);
  if (zone !== undefined) writer.text(2, zone);
  if (subZone !== undefined) writer.text(3, subZone);
  return writer;
}
