/**
 * An endpoint that every client can talk to: plain HTTP, gRPC, Connect and WebSocket, by what the request says. What it does is said once,
 * in acts that mean the same in all of them.
 */
import { fakeUpstream, type FakeUpstreamOptions } from 'meshfetch/testing';
import type { Act, Script, SeenRequest } from './act.ts';
import { answerWebSocket } from './answer-websocket.ts';
import { replyTo } from './reply.ts';

/** Certificate and key of a server; with `clients` it asks for a certificate of these roots. */
export type UpstreamTls = NonNullable<FakeUpstreamOptions['tls']>;

/** An endpoint that runs. */
export interface Upstream {
  readonly name: string;
  readonly address: string;
  readonly requests: readonly SeenRequest[];
  /** Connections that were accepted so far. */
  readonly connections: () => number;
  /** Does something else from now on. */
  does(script: Script): void;
  /** Stops listening and breaks every connection off. */
  kill(): void;
}

/** Notes a request whose head is there. */
export type Note = (head: Pick<SeenRequest, 'method' | 'path' | 'headers' | 'host' | 'peer' | 'body'>) => SeenRequest;
/** Says what to do with it, when it is to be done. */
export type ActFor = (seen: SeenRequest) => Promise<Act>;

/** Starts one on a port of 127.0.0.1. */
export async function startUpstream(name: string, script: Script = {}, tls?: UpstreamTls): Promise<Upstream> {
  const requests: SeenRequest[] = [];
  let does = script;
  const note: Note = (head) => {
    const path = head.path.split('?')[0]!;
    const seen: SeenRequest = { ...head, path, number: requests.length + 1, received: 0, sent: 0, isGivenUp: false };
    requests.push(seen);
    return seen;
  };
  const actFor: ActFor = async (seen) => {
    const act = typeof does === 'function' ? await does(seen) : does;
    await act.after;
    return { body: name, ...act };
  };
  const upstream = await fakeUpstream({
    name,
    ...(tls && { tls }),
    reply: (request) => replyTo(request, note, actFor),
    upgrade: (request, socket, head) => void answerWebSocket(request, socket, head, note, actFor),
  });
  return {
    name,
    address: upstream.address,
    requests,
    connections: () => upstream.accepted,
    does: (next) => void (does = next),
    kill: () => void upstream.stop(),
  };
}
