/** Who asks an xDS server for configuration: `envoy.config.core.v3.Node`, in the bytes that go into the first request of a stream. */
import type { Locality } from '../../../model/cluster.ts';
import { ProtobufWriter } from '../../../wire/protobuf.ts';

/** A value of `google.protobuf.Struct`. */
export type StructValue = null | boolean | number | string | readonly StructValue[] | { readonly [name: string]: StructValue };

/** The node of this process. */
export interface NodeConfig {
  readonly id: string;
  readonly cluster?: string;
  readonly locality?: Locality;
  readonly metadata?: Readonly<Record<string, StructValue>>;
  /** Default `meshfetch`. */
  readonly userAgentName?: string;
  readonly userAgentVersion?: string;
  /** In addition to {@link clientFeatures}. */
  readonly features?: readonly string[];
}

/** What every server is told that this client can do: resources wrapped in `envoy.service.discovery.v3.Resource`. Source: Envoy, "Client features". */
export const clientFeatures = ['xds.config.resource-in-sotw'] as const;

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

/** The bytes of a `google.protobuf.Struct`. */
export function structMessage(fields: Readonly<Record<string, StructValue>>): Uint8Array {
  const writer = new ProtobufWriter();
  for (const [name, value] of Object.entries(fields))
    writer.message(1, new ProtobufWriter().text(1, name).message(2, valueMessage(value)));
  return writer.finish();
}

function valueMessage(value: StructValue): ProtobufWriter {
  const writer = new ProtobufWriter();
  if (value === null) return writer.varint(1, 0);
  if (typeof value === 'number') return writer.double(2, value);
  if (typeof value === 'string') return writer.text(3, value);
  if (typeof value === 'boolean') return writer.varint(4, value ? 1 : 0);
  if (!isList(value)) return writer.message(5, structMessage(value));
  const list = new ProtobufWriter();
  for (const element of value) list.message(1, valueMessage(element));
  return writer.message(6, list);
}

function isList(value: StructValue): value is readonly StructValue[] {
  return Array.isArray(value);
}
