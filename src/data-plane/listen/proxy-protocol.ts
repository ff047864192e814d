/**
 * The PROXY protocol: a load balancer that passes TCP on says with the first bytes whose connection it is. It is read from networks
 * that the configuration names and from nobody else, since whoever sends it says where he comes from.
 * Source: the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt), sections 2.1 and 2.2.
 */
import { isIP, isIPv4 } from 'node:net';

/** What was read. Without addresses it is the proxy itself that speaks (a health check: `LOCAL`, `UNKNOWN`). */
export interface ProxyHeader {
  /** Bytes of the header; what follows is the client's. */
  readonly length: number;
  readonly sourceAddress?: string;
  readonly sourcePort?: number;
  readonly destinationAddress?: string;
  readonly destinationPort?: number;
}

/** `undefined` = more bytes are needed; `'none'` = the bytes are no such header; another text = why it is a bad one. */
export type ProxyHeaderResult = ProxyHeader | 'none' | (string & {}) | undefined;

const signature1 = Buffer.from('PROXY ', 'latin1');
const signature2 = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
/** Source: section 2.1, the longest line that there is. */
const maxLineBytes = 107;
/** Of version 2, with its extra fields. Far more than any sender has, and less than the 64 KiB that the length could say. */
const maxBlockBytes = 1024;

/** Reads the header that `bytes` begin with. */
export function readProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (beginsLike(bytes, signature2)) return bytes.length < 16 ? undefined : readBinary(bytes);
  if (beginsLike(bytes, signature1)) return readLine(bytes);
  return 'none';
}

/** Whether all bytes that are there are those of the signature. */
function beginsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function readLine(bytes: Buffer): ProxyHeaderResult {
  const end = bytes.subarray(0, maxLineBytes).indexOf('\r\n');
  if (end === -1) return bytes.length < maxLineBytes ? undefined : `its line is longer than ${maxLineBytes} bytes`;
  const length = end + 2;
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = '', ...more] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  if (family === 'UNKNOWN') return { length };
  if (family !== 'TCP4' && family !== 'TCP6') return 'it names neither TCP4 nor TCP6 nor UNKNOWN';
  const version = family === 'TCP4' ? 4 : 6;
  if (more.length > 0 || isIP(source) !== version || isIP(destination) !== version)
    return `its addresses are not those of ${family}`;
  if (!isPort(sourcePort) || !isPort(destinationPort)) return 'its ports are none';
  return {
    length,
    sourceAddress: source,
    sourcePort: Number(sourcePort),
    destinationAddress: destination,
    destinationPort: Number(destinationPort),
  };
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) < 65_536;
}

function readBinary(bytes: Buffer): ProxyHeaderResult {
  const [versionAndCommand = 0, familyAndTransport = 0] = bytes.subarray(12, 14);
  if (versionAndCommand >> 4 !== 2) return `its version is ${versionAndCommand >> 4}, not 2`;
  const command = versionAndCommand & 15;
  if (command > 1) return 'its command is neither LOCAL nor PROXY';
  const blockLength = bytes.readUInt16BE(14);
  if (blockLength > maxBlockBytes) return `it is longer than ${maxBlockBytes} bytes`;
  const length = 16 + blockLength;
  if (bytes.length < length) return undefined;
  if (command === 0) return { length };
  const block = bytes.subarray(16, length);
  switch (familyAndTransport) {
    case 0x11:
      return block.length < 12 ? 'its addresses are cut off' : { length, ...addresses(block, 4) };
    case 0x21:
      return block.length < 36 ? 'its addresses are cut off' : { length, ...addresses(block, 16) };
    case 0x00:
      return { length };
    default:
      return 'it is not for TCP over IPv4 or IPv6';
  }
}

function addresses(block: Buffer, size: 4 | 16): Omit<ProxyHeader, 'length'> {
  return {
    sourceAddress: addressFrom(block.subarray(0, size)),
    destinationAddress: addressFrom(block.subarray(size, 2 * size)),
    sourcePort: block.readUInt16BE(2 * size),
    destinationPort: block.readUInt16BE(2 * size + 2),
  };
}

function addressFrom(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  // The URL parser knows the one short spelling (RFC 5952) of an address.
  const short = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short);
  if (mapped === null) return short;
  const dotted = addressFrom(bytes.subarray(12));
  return isIPv4(dotted) ? `::ffff:${dotted}` : short;
}
