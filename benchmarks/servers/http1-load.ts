/** Just enough HTTP/1.1 to ask for the same again and again: the client should take less than the server that is measured. */
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { answerId } from '../answer.ts';
import { path } from './applications.ts';
import type { LoadArguments, SendOne } from './load-process.ts';

const request = Buffer.from(
  `GET ${path} HTTP/1.1\r\nHost: orders\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n` +
    `User-Agent: benchmark\r\nConnection: keep-alive\r\n\r\n`,
);
const headEnd = '\r\n\r\n';
const found = `"id":${answerId}`;

/** Sends requests over as many connections as there are turns. */
export function startHttp1Load({ port, tls }: LoadArguments): SendOne {
  const secure = tls && {
    key: readFileSync(tls.privateKey),
    cert: readFileSync(tls.certificate),
    ca: readFileSync(tls.trustBundle),
    ALPNProtocols: ['http/1.1'],
  };
  const connect = (): Socket =>
    secure === undefined
      ? connectTcp({ host: '127.0.0.1', port, noDelay: true })
      : connectTls({ host: '127.0.0.1', port, ...secure }).setNoDelay(true);
  const connections: Connection[] = [];
  return (turn) => {
    const kept = connections[turn];
    const connection = kept === undefined || kept.isClosed ? (connections[turn] = new Connection(connect())) : kept;
    return connection.send();
  };
}

/** One request at a time. */
class Connection {
  isClosed = false;
  private readonly socket: Socket;
  private text = '';
  private length = 0;
  private settle: ((error?: Error) => void) | undefined = undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    let cause: Error | undefined;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.take(chunk));
    socket.on('error', (error) => (cause = error));
    socket.on('close', () => {
      this.isClosed = true;
      this.settle?.(new Error('the server closed the connection', { cause }));
    });
  }

  send(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.settle = (error) => {
        this.settle = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      this.socket.write(request);
    });
  }

  private take(chunk: string): void {
    this.text += chunk;
    if (this.length === 0) {
      const end = this.text.indexOf(headEnd);
      if (end === -1) return;
      const contentLength = /\r\ncontent-length: (\d+)\r\n/i.exec(this.text)?.[1];
      if (!this.text.startsWith('HTTP/1.1 200 ') || contentLength === undefined) {
        this.settle?.(new Error(`not the answer that was expected: ${this.text}`));
        return;
      }
      this.length = end + headEnd.length + Number(contentLength);
    }
    if (this.text.length < this.length) return;
    const isAnswer = this.text.length === this.length && this.text.includes(found);
    const error = isAnswer ? undefined : new Error(`not the answer that was expected: ${this.text}`);
    this.text = '';
    this.length = 0;
    this.settle?.(error);
  }
}
