/**
 * The endpoints: a process with five servers for each fault and each client, so that none is told anything by another. From the
 * moment a fault is set its server counts what arrives there.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { serveParent } from '../child-process.ts';
import { healthyMs, slowMs, type FaultName } from './fault-table.ts';

/** What the parent asks: for services, for a fault of some endpoints, for what arrived since. */
export type EndpointsQuestion =
  | { readonly kind: 'listen'; readonly count: number }
  | { readonly kind: 'break'; readonly fault: FaultName; readonly bad: readonly number[]; readonly all: readonly number[] }
  | { readonly kind: 'count'; readonly ports: readonly number[] };

export interface EndpointsAnswer {
  readonly ports?: readonly number[];
  readonly arrivals?: readonly number[];
}

/** What a whole answer is. */
export const answerBody = JSON.stringify({ items: Array.from({ length: 20 }, (_, id) => ({ id, name: `item number ${id}` })) });

class Endpoint {
  readonly server: Server;
  readonly sockets = new Set<Socket>();
  fault: FaultName | undefined = undefined;
  arrivals = 0;
  private answered = 0;

  constructor() {
    this.server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => this.serve(request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  /** Breaks it; counting begins here. */
  break(fault: FaultName | undefined): void {
    this.arrivals = 0;
    this.fault = fault;
    if (fault !== 'refused') return;
    this.server.close();
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  private serve({ socket }: IncomingMessage, response: ServerResponse): void {
    this.arrivals++;
    response.on('error', () => {});
    switch (this.fault) {
      case 'blackhole':
        return;
      case 'reset':
        socket.resetAndDestroy();
        return;
      case 'truncated':
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${answerBody.length}\r\n\r\n${answerBody.slice(0, 100)}`);
        // Once the head has left: a reset would overtake it.
        setTimeout(() => socket.resetAndDestroy(), healthyMs);
        return;
    }
    const status = this.status();
    setTimeout(
      () => response.writeHead(status, { 'content-length': answerBody.length }).end(answerBody),
      this.fault === 'slow' ? slowMs : healthyMs,
    );
  }

  private status(): number {
    if (this.fault === '503' || this.fault === 'all-503') return 503;
    if (this.fault === '500') return 500;
    // Three of ten, in no row: chance would make runs differ.
    if (this.fault === '503-30-percent' && [1, 4, 8].includes(this.answered++ % 10)) return 503;
    return 200;
  }
}

const endpoints = new Map<number, Endpoint>();

async function answer(question: EndpointsQuestion): Promise<EndpointsAnswer> {
  switch (question.kind) {
    case 'listen': {
      const ports: number[] = [];
      for (let index = 0; index < question.count; index++) {
        const endpoint = new Endpoint();
        const port = await endpoint.listen();
        endpoints.set(port, endpoint);
        ports.push(port);
      }
      return { ports };
    }
    case 'break':
      for (const port of question.all) endpoints.get(port)!.break(question.bad.includes(port) ? question.fault : undefined);
      return {};
    case 'count':
      break;
  }
  return { arrivals: question.ports.map((port) => endpoints.get(port)!.arrivals) };
}

if (import.meta.main) serveParent(answer);
