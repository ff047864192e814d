/** What clients send that mean no good: requests and frames that are nearly right, cut, repeated and mixed, by a seeded chance. */
import type { Random } from '../../src/base/runtime.ts';
import { frame, headersFrame, http2Preface, literal, resetFrame, windowFrame } from './http2-frames.ts';

/** Chance by a seed. */
export class Chance {
  private readonly random: Random;
  constructor(random: Random) {
    this.random = random;
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** One in so many. */
  isOne(inMany: number): boolean {
    return this.below(inMany) === 0;
  }
}

const paths = [
  '/',
  '/ask',
  '/ask/no',
  '/deny',
  '/open',
  '/ready',
  '*',
  '/a?b=c',
  '/%zz',
  '/a%2Fb',
  '/..//x',
  'http://a/ask',
  '//x',
  '/é',
  'a:80',
  '',
];

const lines: readonly string[] = [
  'Host: a\r\n',
  'Host: \r\n',
  'Host: a@b\r\n',
  'Host: [::1\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip\r\n',
  'Expect: 100-continue\r\n',
  'Expect: more\r\n',
  'Connection: upgrade\r\nUpgrade: echo\r\n',
  'Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n',
  'Connection: close\r\n',
  'Connection: host, x-a\r\n',
  '__proto__: x\r\n',
  'constructor: y\r\n',
  'grpc-timeout: 1n\r\n',
  'content-type: application/grpc\r\n',
  'traceparent: 00-00000000000000000000000000000000-0000000000000000-00\r\n',
  'baggage: %%%=;;,\r\n',
  'x-envoy-expected-rq-timeout-ms: 2\r\n',
  'x-forwarded-client-cert: By=;URI="\r\n',
  'authorization: Bearer $TOKEN\r\n',
  'authorization: Bearer a.b.c\r\n',
  'cookie: a=b; c\r\n',
  'x-long: ' + 'x'.repeat(9000) + '\r\n',
  'x-odd: \xff\x80\r\n',
  ' folded\r\n',
  'no colon\r\n',
  'x : y\r\n',
  'x-null: \0\r\n',
];

const bodies = ['hello', '5\r\nhello\r\n', '0\r\n\r\n', '0\r\nx-end: y\r\n\r\n', 'fffffffffffffffff\r\n', '\r\n', '\0\0', ''];

const others = [
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00',
  '\x15\x03\x03\x00\x02\x02\x28',
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n',
  'PROXY UNKNOWN\r\n',
  'PROXY TCP4 1.2.3.4\r\n',
  '\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02',
  '\0',
];

/** One to four requests of HTTP/1.1, pipelined, or nearly so. */
export function hostileHttp1(chance: Chance, token: string): Buffer {
  let text = chance.isOne(8) ? chance.of(others) : '';
  for (let count = 1 + chance.below(4); count > 0; count -= 1) {
    const method = chance.of(['GET', 'GET', 'POST', 'POST', 'HEAD', 'OPTIONS', 'CONNECT', 'DELETE', 'get', 'PRI']);
    text += `${method} ${chance.of(paths)} HTTP/1.${chance.isOne(6) ? 0 : 1}\r\n`;
    if (!chance.isOne(6)) text += 'Host: a\r\n';
    for (let more = chance.below(4); more > 0; more -= 1) text += chance.of(lines);
    text += `\r\n${chance.isOne(2) ? chance.of(bodies) : ''}`;
  }
  return mutated(chance, Buffer.from(text.replaceAll('$TOKEN', token), 'latin1'));
}

const headers: readonly (readonly [string, string])[] = [
  ['host', 'a'],
  ['host', 'b'],
  ['content-length', '5'],
  ['content-length', '0'],
  ['te', 'trailers'],
  ['te', 'x'],
  ['expect', '100-continue'],
  ['expect', 'more'],
  ['__proto__', 'x'],
  ['connection', 'close'],
  ['transfer-encoding', 'chunked'],
  ['content-type', 'application/grpc'],
  ['grpc-timeout', '1n'],
  ['cookie', 'a=b'],
  ['cookie', 'c'],
  ['x-odd', '\xff'],
  ['x-null', '\0'],
  [':protocol', 'websocket'],
  [':path', '/twice'],
  ['X-Upper', 'x'],
  ['upgrade', 'websocket'],
  ['x-envoy-expected-rq-timeout-ms', '2'],
  ['', 'nameless'],
];

/** Frames of HTTP/2: streams that are opened, fed, cancelled and contradicted, often in one packet. */
export function hostileHttp2(chance: Chance, token: string): Buffer {
  const out: Buffer[] = [http2Preface];
  if (chance.isOne(4)) out.push(frame(4, 0, 0, settings([[4, 0]]))); // no window at all
  let id = 1;
  for (let count = 1 + chance.below(8); count > 0; count -= 1, id += 2) {
    const more: (readonly [string, string])[] = [];
    for (let each = chance.below(4); each > 0; each -= 1) more.push(chance.of(headers));
    if (chance.isOne(6)) more.push(['authorization', `Bearer ${token.slice(0, 110)}`]);
    const method = chance.of(['GET', 'GET', 'POST', 'POST', 'HEAD', 'CONNECT', 'get', '']);
    out.push(headersFrame(id, { method, path: chance.of(paths), isEnd: chance.isOne(2), more }));
    for (let then = chance.below(4); then > 0; then -= 1) out.push(nextFrame(chance, id));
  }
  return mutated(chance, Buffer.concat(out));
}

function nextFrame(chance: Chance, id: number): Buffer {
  switch (chance.below(13)) {
    case 0:
    case 1:
      return resetFrame(id, chance.below(15));
    case 2:
      return resetFrame(chance.of([0, id + 2, Math.max(1, id - 2)]), 8);
    case 3:
    case 4:
      return frame(0, chance.below(2), id, Buffer.from('hello'));
    case 5:
      return frame(0, 1, chance.of([0, id + 2, id]), Buffer.alloc(chance.below(20_000)));
    case 6:
      return frame(1, 5, id, literal('x-end', 'y'));
    case 7:
      return frame(7, 0, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, chance.below(15)]));
    case 8:
      return windowFrame(chance.of([0, id]), chance.of([0, 1, 65_535, 0x7fff_ffff]));
    case 9:
      return frame(4, chance.below(2), 0, settings([[chance.below(9), chance.of([0, 1, 65_535, 0xffff_ffff])]]));
    case 10:
      return frame(6, chance.below(2), 0, Buffer.alloc(chance.of([8, 8, 7])));
    case 11:
      return frame(9, chance.of([0, 4]), id, literal('x-continued', 'y'));
    default:
      return frame(chance.below(16), chance.below(256), chance.of([0, id]), Buffer.alloc(chance.below(24), chance.below(256)));
  }
}

function settings(pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  pairs.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  });
  return payload;
}

/** Mostly as it is; else cut, with bytes that are others, or with a part twice. */
export function mutated(chance: Chance, bytes: Buffer): Buffer {
  switch (chance.below(8)) {
    case 0:
      return bytes.subarray(0, chance.below(bytes.length + 1));
    case 1:
      for (let count = 1 + chance.below(4); count > 0; count -= 1) bytes[chance.below(bytes.length)] = chance.below(256);
      return bytes;
    case 2: {
      const from = chance.below(bytes.length);
      return Buffer.concat([bytes, bytes.subarray(from, from + chance.below(200))]);
    }
    default:
      return bytes;
  }
}
