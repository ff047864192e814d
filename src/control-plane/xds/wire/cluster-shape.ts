/**
 * What clusters have in common. Of the ten thousand of a mesh nearly all say the same but for names: their own, those of their peers
 * and what their metadata says of where they come from. Whether such a cluster is good does not depend on these texts, as long as they
 * are texts and there; so that the verdict on one is the verdict on all of its shape.
 *
 * The shape is the bytes without these texts, and without the lengths of the messages around them. It can be read back without a doubt:
 * a field that is taken apart is its tag, what is left of it, and a 0, which is no tag; all else stands as it came.
 */
import { cursor, readLength, readTag, skipValue } from './cursor.ts';
import { messageTypeOf } from './message-types.ts';

/** A shape, and the texts that were left out of it. */
export interface ClusterShape {
  readonly key: string;
  readonly name: string;
  /** All but the name. */
  texts(): readonly string[];
}

/** What is left out: a text that has to be there, one that may be empty, an identity; or the parts of a message that are. */
type Part = 'text' | 'any-text' | 'identity' | 'tls' | 'whole' | Parts;
/** By the number of the field; what is not in it stays as it is. */
type Parts = (Part | undefined)[];

function partsOf(type: string, parts: Readonly<Record<string, Part>>): Parts {
  const { byName, byNumber } = messageTypeOf(type)!;
  const byField: Parts = [];
  for (const [name, part] of Object.entries(parts)) {
    const number = byNumber.indexOf(byName.get(name));
    while (byField.length <= number) byField.push(undefined);
    byField[number] = part;
  }
  return byField;
}

const tlsType = 'envoy.extensions.transport_sockets.tls.v3';

interface Trees {
  readonly cluster: Parts;
  readonly tls: Parts;
}

let trees: Trees | undefined;

function makeTrees(): Trees {
  // google.protobuf.Struct and Value, and the entries of maps, which the table has no lines for.
  const value: Parts = [undefined, undefined, undefined, 'any-text', undefined];
  const struct: Parts = [undefined, [undefined, undefined, value]];
  value.push(struct, [undefined, value]);
  const socket = partsOf('envoy.config.core.v3.TransportSocket', { typed_config: 'tls' });
  const matcher = partsOf('envoy.type.matcher.v3.StringMatcher', { exact: 'identity' });
  const validation = partsOf(`${tlsType}.CertificateValidationContext`, {
    match_typed_subject_alt_names: partsOf(`${tlsType}.SubjectAltNameMatcher`, { matcher }),
  });
  return {
    cluster: partsOf('envoy.config.cluster.v3.Cluster', {
      name: 'text',
      alt_stat_name: 'any-text',
      eds_cluster_config: partsOf('envoy.config.cluster.v3.Cluster.EdsClusterConfig', { service_name: 'text' }),
      metadata: partsOf('envoy.config.core.v3.Metadata', { filter_metadata: [undefined, undefined, struct] }),
      transport_socket: socket,
      transport_socket_matches: partsOf('envoy.config.cluster.v3.Cluster.TransportSocketMatch', { transport_socket: socket }),
      // What stands in these may be compared with the name.
      load_assignment: 'whole',
      cluster_type: 'whole',
    }),
    tls: partsOf(`${tlsType}.UpstreamTlsContext`, {
      sni: 'text',
      common_tls_context: partsOf(`${tlsType}.CommonTlsContext`, {
        combined_validation_context: partsOf(`${tlsType}.CommonTlsContext.CombinedCertificateValidationContext`, {
          default_validation_context: validation,
        }),
        validation_context: validation,
      }),
    }),
  };
}

/** Larger ones are few, and judged by themselves. */
const maxBytes = 16_384;
const maxTextBytes = 1000;
const maxDepth = 24;
const identityStart = Buffer.from('spiffe://');
const tlsUrl = Buffer.from(`type.googleapis.com/${tlsType}.UpstreamTlsContext`);

const nameField = 1;
const urlField = 1;
const valueField = 2;

/** Where the shape is put together; what is taken from it is a copy. */
const room = Buffer.allocUnsafe(2 * maxBytes);
let filled = 0;
/** Where the texts that were left out begin and end in the message that is read. */
let left: number[] = [];

/** The shape of an `envoy.config.cluster.v3.Cluster`; undefined for one that is judged by itself. */
export function clusterShape(bytes: Uint8Array): ClusterShape | undefined {
  if (bytes.length > maxBytes) return undefined;
  trees ??= makeTrees();
  filled = 0;
  left = [];
  if (!walk(bytes, 0, bytes.length, trees.cluster, 0)) return undefined;
  const texts = left;
  const textAt = (index: number): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', texts[index], texts[index + 1]);
  // Fields are written in the order of their numbers; of one with another order the first text would be another one.
  if (texts.length === 0 || bytes[0] !== nameField * 8 + 2) return undefined;
  return {
    key: room.toString('latin1', 0, filled),
    name: textAt(0),
    texts: () => texts.flatMap((_, index) => (index > 0 && index % 2 === 0 ? [textAt(index)] : [])),
  };
}

/** Puts the shape of a message into the room; false where it has none. */
function walk(bytes: Uint8Array, start: number, end: number, parts: Parts, depth: number): boolean {
  if (depth > maxDepth) return false;
  let done = start;
  cursor.at = start;
  while (cursor.at < end) {
    const first = cursor.at;
    const tag = readTag(bytes, end);
    if (tag === -1) return false;
    const number = tag >>> 3;
    const part = number < parts.length ? parts[number] : undefined;
    if (part === undefined) {
      if (!skipValue(bytes, end, tag)) return false;
      continue;
    }
    if ((tag & 7) !== 2 || part === 'whole') return false;
    // A name that comes twice is one that nobody needs to understand.
    if (depth === 0 && number === nameField && first !== 0) return false;
    put(bytes, done, cursor.at);
    const length = readLength(bytes, end);
    if (length === -1) return false;
    const at = cursor.at;
    done = at + length;
    if (!takePart(bytes, at, done, part, depth)) return false;
    cursor.at = done;
  }
  put(bytes, done, end);
  return true;
}

function takePart(bytes: Uint8Array, at: number, end: number, part: Part, depth: number): boolean {
  if (part === 'text' || part === 'any-text') return (part === 'any-text' || end > at) && leaveOut(bytes, at, end);
  if (part === 'identity') return startsWith(bytes, at, end, identityStart) && leaveOut(bytes, at, end);
  const isTaken = part === 'tls' ? walkTyped(bytes, at, end, depth + 1) : walk(bytes, at, end, part as Parts, depth + 1);
  room[filled++] = 0;
  return isTaken;
}

/** An `Any`: the type, then the value, which is taken apart where it is a TLS context. */
function walkTyped(bytes: Uint8Array, start: number, end: number, depth: number): boolean {
  cursor.at = start;
  if (readTag(bytes, end) !== urlField * 8 + 2) return false;
  const urlLength = readLength(bytes, end);
  if (urlLength === -1) return false;
  const url = cursor.at;
  cursor.at += urlLength;
  const isTls = urlLength === tlsUrl.length && startsWith(bytes, url, cursor.at, tlsUrl);
  if (cursor.at === end || !isTls) {
    put(bytes, start, end);
    return true;
  }
  if (readTag(bytes, end) !== valueField * 8 + 2) return false;
  put(bytes, start, cursor.at);
  const length = readLength(bytes, end);
  if (length === -1 || cursor.at + length !== end) return false;
  return walk(bytes, cursor.at, end, trees!.tls, depth);
}

/** Only plain ASCII is: there is nothing in it that anybody could object to. */
function leaveOut(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > maxTextBytes) return false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte < 0x20 || byte > 0x7e) return false;
  }
  left.push(start, end);
  return true;
}

function startsWith(bytes: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start < text.length) return false;
  for (let index = 0; index < text.length; index++) if (bytes[start + index] !== text[index]) return false;
  return true;
}

function put(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at++) room[filled++] = bytes[at]!;
}
