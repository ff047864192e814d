/** Requests of the discovery service, `envoy.service.discovery.v3`, as bytes. */
import { ProtobufWriter } from '../../../wire/protobuf.ts';
import type { RefusedResource, TypeUrl } from './contract.ts';

/** `StreamAggregatedResources`: the names are all that are wanted of the type from now on. */
export interface DiscoveryRequest {
  readonly typeUrl: TypeUrl;
  /** In the first request of a stream only. */
  readonly node?: Uint8Array;
  /** The last version that was accepted; `''` = none. */
  readonly version: string;
  readonly names: readonly string[];
  /** Of the response that is answered; `''` before the first one. */
  readonly nonce: string;
  /** Makes the answer a NACK. */
  readonly error?: string;
}

/** `DeltaAggregatedResources`: the names are what changed. */
export interface DeltaDiscoveryRequest {
  readonly typeUrl: TypeUrl;
  readonly node?: Uint8Array;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Versions of what is known from an earlier stream, by name; in the first request of a type on a stream only. */
  readonly initialVersions?: ReadonlyMap<string, string>;
  /** `''` = the request answers nothing. */
  readonly nonce: string;
  readonly error?: string;
}

/** The server has sent what this client cannot take. Source: `google.rpc.Code`. */
const invalidArgument = 3;
/** A longer text would make a NACK larger than what it answers; servers write it to their logs. */
const maxErrorLength = 4000;
const maxReasonLength = 400;

/** The bytes of a request of the state-of-the-world variant. */
export function discoveryRequest(request: DiscoveryRequest): Uint8Array {
  const writer = new ProtobufWriter();
  if (request.version !== '') writer.text(1, request.version);
  if (request.node !== undefined) writer.message(2, request.node);
  for (const name of request.names) writer.text(3, name);
  writer.text(4, request.typeUrl);
  if (request.nonce !== '') writer.text(5, request.nonce);
  if (request.error !== undefined) writer.message(6, statusMessage(request.error));
  return writer.finish();
}

/** The bytes of a request of the incremental variant. */
export function deltaDiscoveryRequest(request: DeltaDiscoveryRequest): Uint8Array {
  const writer = new ProtobufWriter();
  if (request.node !== undefined) writer.message(1, request.node);
  writer.text(2, request.typeUrl);
  for (const name of request.subscribe) writer.text(3, name);
  for (const name of request.unsubscribe) writer.text(4, name);
  for (const [name, version] of request.initialVersions ?? [])
    writer.message(5, new ProtobufWriter().text(1, name).text(2, version));
  if (request.nonce !== '') writer.text(6, request.nonce);
  if (request.error !== undefined) writer.message(7, statusMessage(request.error));
  return writer.finish();
}

/** The words of a NACK: each resource with its reason, as many as fit. Undefined = nothing is refused. */
export function refusalText(refused: readonly RefusedResource[]): string | undefined {
  if (refused.length === 0) return undefined;
  let text = '';
  for (const [index, { name, reason }] of refused.entries()) {
    const cut = reason.length > maxReasonLength ? `${reason.slice(0, maxReasonLength)}…` : reason;
    const line = `${index === 0 ? '' : '; '}${name === '' ? 'a resource without a name' : name}: ${cut}`;
    if (text.length + line.length > maxErrorLength) return `${text}; and ${refused.length - index} more`;
    text += line;
  }
  return text;
}

function statusMessage(message: string): ProtobufWriter {
  return new ProtobufWriter().varint(1, invalidArgument).text(2, message);
}
