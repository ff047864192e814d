/** DER as the Workload API sends it (certificates one after another), and PEM as everything else here takes it. */

/** The elements of DER that follow one another; undefined where the bytes are none. */
export function splitDer(bytes: Uint8Array): Uint8Array[] | undefined {
  const elements: Uint8Array[] = [];
  let start = 0;
  while (start < bytes.length) {
    const end = elementEnd(bytes, start);
    if (end === undefined || end > bytes.length) return undefined;
    elements.push(bytes.subarray(start, end));
    start = end;
  }
  return elements;
}

/** Where the sequence that begins here ends: a tag of one byte and a definite length. */
function elementEnd(bytes: Uint8Array, start: number): number | undefined {
  if (bytes[start] !== 0x30) return undefined;
  const first = bytes[start + 1];
  if (first === undefined || first === 0x80) return undefined;
  if (first < 0x80) return start + 2 + first;
  const lengthBytes = first & 0x7f;
  if (lengthBytes > 4 || start + 2 + lengthBytes > bytes.length) return undefined;
  let length = 0;
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + bytes[start + 2 + i]!;
  return start + 2 + lengthBytes + length;
}

/** One PEM block. Source: RFC 7468. */
export function pemBlock(label: 'CERTIFICATE' | 'PRIVATE KEY', der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** PEM of certificates that follow one another; undefined where the bytes are none. */
export function certificatesFromDer(bytes: Uint8Array): string | undefined {
  const elements = splitDer(bytes);
  if (elements === undefined || elements.length === 0) return undefined;
  return elements.map((element) => pemBlock('CERTIFICATE', element)).join('');
}
