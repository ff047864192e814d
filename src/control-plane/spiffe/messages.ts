/**
 * The messages of the SPIFFE Workload API. Read by hand: they are few and small. Source: workload.proto of the SPIFFE Workload API
 * standard. Readers give undefined for bytes that are no such message.
 */
import { isUtf8 } from 'node:buffer';
import { ProtobufReader, ProtobufWriter } from '../../wire/protobuf.ts';

/** An X.509-SVID; everything in DER. */
export interface X509SvidMessage {
  readonly spiffeId: string;
  /** Leaf first. */
  readonly certificates: Uint8Array;
  /** PKCS #8. */
  readonly privateKey: Uint8Array;
  /** Roots of the trust domain of the SPIFFE ID. */
  readonly bundle: Uint8Array;
  /** What the operator says it is for; empty = nothing. */
  readonly hint: string;
}

/** Everything that the workload has: what is not in it, it has no more. */
export interface X509SvidsMessage {
  readonly svids: readonly X509SvidMessage[];
  /** Certificate revocation lists. */
  readonly crls: number;
  /** Roots of other trust domains in DER, by `spiffe://` and the name of the trust domain. */
  readonly federated: ReadonlyMap<string, Uint8Array>;
}

/** Bundles of trust domains, by `spiffe://` and their names: DER, or a JWK Set. */
export interface BundlesMessage {
  readonly crls: number;
  readonly bundles: ReadonlyMap<string, Uint8Array>;
}

/** A JWT-SVID. */
export interface JwtSvidMessage {
  readonly spiffeId: string;
  readonly token: string;
  readonly hint: string;
}

/** A message without fields. */
export const emptyMessage: Uint8Array = new Uint8Array(0);

type Fields = (reader: ProtobufReader) => void;

/** Whether the bytes are a message; `fields` is called at each of its fields. */
function readFields(bytes: Uint8Array, fields: Fields): boolean {
  const reader = new ProtobufReader(bytes);
  while (reader.next()) fields(reader);
  return !reader.isBroken;
}

function textFrom(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined || !isUtf8(bytes) ? undefined : Buffer.from(bytes).toString('utf8');
}

/** `X509SVIDResponse`. */
export function readX509Svids(bytes: Uint8Array): X509SvidsMessage | undefined {
  const svids: X509SvidMessage[] = [];
  const federated = new Map<string, Uint8Array>();
  let crls = 0;
  let isGood = true;
  const isMessage = readFields(bytes, (reader) => {
    if (reader.field === 1) {
      const svid = readX509Svid(reader.bytes());
      if (svid === undefined) isGood = false;
      else svids.push(svid);
    } else if (reader.field === 2) crls += reader.bytes() === undefined ? 0 : 1;
    else if (reader.field === 3) isGood = readEntry(reader.bytes(), federated) && isGood;
  });
  return isMessage && isGood ? { svids, crls, federated } : undefined;
}

function readX509Svid(bytes: Uint8Array | undefined): X509SvidMessage | undefined {
  let [spiffeId, hint]: (string | undefined)[] = ['', ''];
  let certificates = emptyMessage;
  let privateKey = emptyMessage;
  let bundle = emptyMessage;
  const isMessage =
    bytes !== undefined &&
    readFields(bytes, (reader) => {
      if (reader.field === 1) spiffeId = textFrom(reader.bytes());
      else if (reader.field === 2) certificates = reader.bytes() ?? emptyMessage;
      else if (reader.field === 3) privateKey = reader.bytes() ?? emptyMessage;
      else if (reader.field === 4) bundle = reader.bytes() ?? emptyMessage;
      else if (reader.field === 5) hint = textFrom(reader.bytes());
    });
  if (!isMessage || spiffeId === undefined || hint === undefined) return undefined;
  return { spiffeId, certificates, privateKey, bundle, hint };
}

/** An entry of a map of texts to bytes. */
function readEntry(bytes: Uint8Array | undefined, into: Map<string, Uint8Array>): boolean {
  let key: string | undefined = '';
  let value = emptyMessage;
  const isMessage =
    bytes !== undefined &&
    readFields(bytes, (reader) => {
      if (reader.field === 1) key = textFrom(reader.bytes());
      else if (reader.field === 2) value = reader.bytes() ?? emptyMessage;
    });
  if (!isMessage || key === undefined) return false;
  into.set(key, value);
  return true;
}

/** `X509BundlesResponse`. */
export function readX509Bundles(bytes: Uint8Array): BundlesMessage | undefined {
  return readBundles(bytes, 2, 1);
}

/** `JWTBundlesResponse`. */
export function readJwtBundles(bytes: Uint8Array): BundlesMessage | undefined {
  return readBundles(bytes, 1, undefined);
}

function readBundles(bytes: Uint8Array, bundlesField: number, crlsField: number | undefined): BundlesMessage | undefined {
  const bundles = new Map<string, Uint8Array>();
  let crls = 0;
  let isGood = true;
  const isMessage = readFields(bytes, (reader) => {
    if (reader.field === bundlesField) isGood = readEntry(reader.bytes(), bundles) && isGood;
    else if (reader.field === crlsField) crls += reader.bytes() === undefined ? 0 : 1;
  });
  return isMessage && isGood ? { crls, bundles } : undefined;
}

/** `JWTSVIDRequest`; without a SPIFFE ID every one that the workload has is asked for. */
export function writeJwtSvidRequest(audience: readonly string[], spiffeId: string | undefined): Uint8Array {
  const writer = new ProtobufWriter();
  for (const name of audience) writer.text(1, name);
  if (spiffeId !== undefined) writer.text(2, spiffeId);
  return writer.finish();
}

/** `JWTSVIDResponse`. */
export function readJwtSvids(bytes: Uint8Array): readonly JwtSvidMessage[] | undefined {
  const svids: JwtSvidMessage[] = [];
  let isGood = true;
  const isMessage = readFields(bytes, (reader) => {
    if (reader.field !== 1) return;
    const texts = readTexts(reader.bytes());
    if (texts === undefined) isGood = false;
    else svids.push({ spiffeId: texts.get(1) ?? '', token: texts.get(2) ?? '', hint: texts.get(3) ?? '' });
  });
  return isMessage && isGood ? svids : undefined;
}

/** The texts of a message that has nothing else, by number. */
function readTexts(bytes: Uint8Array | undefined): Map<number, string> | undefined {
  const texts = new Map<number, string>();
  let isGood = bytes !== undefined;
  const isMessage =
    bytes !== undefined &&
    readFields(bytes, (reader) => {
      const { field } = reader;
      const text = textFrom(reader.bytes());
      if (text === undefined) isGood = false;
      else texts.set(field, text);
    });
  return isMessage && isGood ? texts : undefined;
}

/** `ValidateJWTSVIDRequest`. */
export function writeValidateRequest(audience: string, token: string): Uint8Array {
  return new ProtobufWriter().text(1, audience).text(2, token).finish();
}

/** The SPIFFE ID of a `ValidateJWTSVIDResponse`: the claims are read from the token itself. */
export function readValidated(bytes: Uint8Array): string | undefined {
  let spiffeId: string | undefined;
  const isMessage = readFields(bytes, (reader) => {
    if (reader.field === 1) spiffeId = textFrom(reader.bytes());
  });
  return isMessage ? spiffeId : undefined;
}
