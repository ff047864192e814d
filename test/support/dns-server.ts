/**
 * A real DNS server on loopback, UDP and TCP on one port, for tests of resolvers. It answers what the test says, counts what it was
 * asked, and can hold an answer back until the test releases it. Unknown names do not exist (NXDOMAIN).
 * Wire format: RFC 1035, section 4; SRV: RFC 2782.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server as TcpServer, type Socket } from 'node:net';
import { decodeQuestion, encodeResponse, type DnsQuestion, type DnsReply } from './dns-codec.ts';

export type { DnsRecord, DnsReply } from './dns-codec.ts';

/** A question as the server received it. */
export interface ReceivedQuery {
  readonly name: string;
  readonly type: string;
  readonly protocol: 'udp' | 'tcp';
}

/** What the server does with a question; `'silent'` never answers. */
export type DnsBehaviour = DnsReply | 'silent';

export interface DnsServer {
  /** `127.0.0.1:port`, as `Resolver.setServers` takes it. */
  readonly address: string;
  /** Every question so far, in order. */
  readonly queries: readonly ReceivedQuery[];
  /** How often this was asked over UDP. */
  count(name: string, type: string): number;
  /** Sets the answer to a question. */
  set(name: string, type: string, behaviour: DnsBehaviour): void;
  /** Holds answers to a question back; call the result to send those that wait and go on as usual. */
  hold(name: string, type: string): () => void;
  /** Resolves once this was asked `times` times in all (once, if left out). */
  asked(name: string, type: string, times?: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a server on a free port of 127.0.0.1. */
export async function startDnsServer(): Promise<DnsServer> {
  const behaviours = new Map<string, DnsBehaviour>();
  const held = new Map<string, (() => void)[]>();
  const queries: ReceivedQuery[] = [];
  const sockets = new Set<Socket>();
  let watchers: (() => void)[] = [];

  const answer = (message: Buffer, protocol: 'udp' | 'tcp', send: (response: Buffer) => void): void => {
    const question = decodeQuestion(message);
    const key = keyOf(question.name, question.type);
    queries.push({ name: question.name.toLowerCase(), type: question.type, protocol });
    const respond = (): void => {
      const reply = replyTo(question, behaviours);
      if (reply !== 'silent') send(encodeResponse(question, reply, protocol === 'udp' ? question.maxUdpBytes : 65_535));
    };
    const waiting = held.get(key);
    if (waiting === undefined) respond();
    else waiting.push(respond);
    for (const check of watchers) check();
  };

  const { udp, tcp, port } = await bindBoth((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    readFrames(socket, (message) => answer(message, 'tcp', (response) => socket.write(framed(response))));
  });
  udp.on('message', (message, from) => answer(message, 'udp', (response) => udp.send(response, from.port, from.address)));

  const count = (name: string, type: string): number =>
    queries.filter((query) => query.protocol === 'udp' && query.name === name && query.type === type).length;
  return {
    address: `127.0.0.1:${port}`,
    queries,
    count,
    set: (name, type, behaviour) => void behaviours.set(keyOf(name, type), behaviour),
    hold(name, type) {
      const key = keyOf(name, type);
      const waiting: (() => void)[] = [];
      held.set(key, waiting);
      return () => {
        if (held.get(key) === waiting) held.delete(key);
        for (const respond of waiting.splice(0)) respond();
      };
    },
    asked: (name, type, times = 1) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (count(name, type) < times) return;
          watchers = watchers.filter((other) => other !== check);
          resolve();
        };
        watchers.push(check);
        check();
      }),
    async close() {
      for (const socket of sockets) socket.destroy();
      tcp.close();
      udp.close();
      await Promise.all([once(tcp, 'close'), once(udp, 'close')]);
    },
  };
}

function keyOf(name: string, type: string): string {
  return `${name.toLowerCase()} ${type}`;
}

/** A name that has records of one type has an empty answer for the others; one without any does not exist. */
function replyTo(question: DnsQuestion, behaviours: ReadonlyMap<string, DnsBehaviour>): DnsBehaviour {
  const exact = behaviours.get(keyOf(question.name, question.type));
  if (exact !== undefined) return exact;
  const prefix = `${question.name.toLowerCase()} `;
  const hasOtherType = [...behaviours].some(([key, value]) => key.startsWith(prefix) && Array.isArray(value));
  return hasOtherType ? [] : 'NXDOMAIN';
}

/** UDP and TCP must share a port, since a truncated answer is asked for again over TCP on the same one. */
async function bindBoth(onSocket: (socket: Socket) => void): Promise<{ udp: UdpSocket; tcp: TcpServer; port: number }> {
  for (let attempt = 0; ; attempt += 1) {
    const tcp = createServer(onSocket).listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const bound = tcp.address();
    if (bound === null || typeof bound === 'string') throw new Error('the TCP side has no port');
    const udp = createSocket('udp4');
    try {
      udp.bind(bound.port, '127.0.0.1');
      await once(udp, 'listening');
      return { udp, tcp, port: bound.port };
    } catch (error) {
      tcp.close();
      udp.close();
      if (attempt === 20) throw error;
    }
  }
}

/** DNS over TCP has two bytes of length before each message (RFC 1035, section 4.2.2). */
function readFrames(socket: Socket, onMessage: (message: Buffer) => void): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      onMessage(pending.subarray(2, end));
      pending = pending.subarray(end);
    }
  });
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
