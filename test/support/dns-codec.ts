/** The part of the DNS wire format that a test server needs: RFC 1035 section 4, RFC 3596 (AAAA), RFC 2782 (SRV), RFC 6891 (EDNS). */

const typeNumbers = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 } as const;
const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** One resource record. `name` is the owner; absent = the name asked for. */
export type DnsRecord = { readonly name?: string; readonly ttl: number } & (
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME'; readonly target: string }
  | { readonly type: 'SRV'; readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
);

/** Records (none = NODATA), or an error. */
export type DnsReply = readonly DnsRecord[] | Exclude<keyof typeof rcodes, 'NOERROR'>;

/** A question off the wire. */
export interface DnsQuestion {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  /** The question section as it came, to be sent back. */
  readonly section: Buffer;
  /** 512, or what the client's EDNS record allows. */
  readonly maxUdpBytes: number;
}

/** Reads the one question of a query. */
export function decodeQuestion(message: Buffer): DnsQuestion {
  const labels: string[] = [];
  let offset = 12;
  for (let length = message.readUInt8(offset); length !== 0; length = message.readUInt8(offset)) {
    labels.push(message.toString('latin1', offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
  offset += 1;
  const typeNumber = message.readUInt16BE(offset);
  const type = Object.entries(typeNumbers).find(([, number]) => number === typeNumber)?.[0] ?? `TYPE${typeNumber}`;
  const end = offset + 4;
  // The only record that follows in a query is EDNS: root name, type 41, and the size in the class field.
  const hasEdns = message.readUInt16BE(10) > 0 && message.readUInt16BE(end + 1) === 41;
  return {
    id: message.readUInt16BE(0),
    name: labels.join('.'),
    type,
    section: message.subarray(12, end),
    maxUdpBytes: hasEdns ? Math.max(512, message.readUInt16BE(end + 3)) : 512,
  };
}

/** Writes the response; one longer than `maxBytes` goes without its records and with the bit that asks for TCP. */
export function encodeResponse(question: DnsQuestion, reply: DnsReply, maxBytes: number): Buffer {
  const isError = typeof reply === 'string';
  const records = isError ? [] : reply.map((record) => encodeRecord(record));
  const whole = Buffer.concat([
    header(question.id, isError ? rcodes[reply] : 0, records.length, false),
    question.section,
    ...records,
  ]);
  if (whole.length <= maxBytes) return whole;
  return Buffer.concat([header(question.id, 0, 0, true), question.section]);
}

function header(id: number, rcode: number, answers: number, isTruncated: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(id, 0);
  // Response, authoritative, recursion desired and available.
  bytes.writeUInt16BE(0x8400 | (isTruncated ? 0x0200 : 0) | 0x0180 | rcode, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
}

function encodeRecord(record: DnsRecord): Buffer {
  const value = encodeValue(record);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(typeNumbers[record.type], 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(record.ttl, 4);
  fixed.writeUInt16BE(value.length, 8);
  // 0xc00c points at the name in the question.
  const owner = record.name === undefined ? Buffer.from([0xc0, 0x0c]) : encodeName(record.name);
  return Buffer.concat([owner, fixed, value]);
}

function encodeValue(record: DnsRecord): Buffer {
  if (record.type === 'SRV') {
    const numbers = Buffer.alloc(6);
    numbers.writeUInt16BE(record.priority, 0);
    numbers.writeUInt16BE(record.weight, 2);
    numbers.writeUInt16BE(record.port, 4);
    return Buffer.concat([numbers, encodeName(record.target)]);
  }
  if (record.type === 'CNAME') return encodeName(record.target);
  return record.type === 'A' ? Buffer.from(record.address.split('.').map(Number)) : encodeIpv6(record.address);
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ]);
}

function encodeIpv6(address: string): Buffer {
  const ipv4 = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text =
    ipv4 === null
      ? address
      : `${ipv4[1]}${((Number(ipv4[2]) << 8) | Number(ipv4[3])).toString(16)}:${((Number(ipv4[4]) << 8) | Number(ipv4[5])).toString(16)}`;
  const [left = '', right] = text.split('::');
  const groups = (part: string): string[] => part.split(':').filter((group) => group !== '');
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const all = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}
