/**
 * Agents of node:http and node:https whose connections are a mesh: for axios, got, the AWS SDK, ws and everything else that takes an
 * `agent`. Why they look like this: docs/decisions/0021-an-agent-whose-socket-is-the-mesh.md.
 */
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { MeshSocket, type SocketContext } from './mesh-socket.ts';
import { originOf, refusalOf, type AgentRequestOptions } from './request-options.ts';

/** What node:http calls of an agent for every request. Its types leave it out. */
export interface RequestTaker {
  addRequest(request: http.ClientRequest, options: AgentRequestOptions): void;
}

/** Only so that requests are said to be kept alive: the connections are the mesh's. */
const agentOptions = { keepAlive: true } as const;

/** For requests to `http:`. */
export class MeshHttpAgent extends http.Agent implements RequestTaker {
  private readonly context: SocketContext;

  constructor(context: SocketContext) {
    super(agentOptions);
    this.context = context;
  }

  addRequest(request: http.ClientRequest, options: AgentRequestOptions): void {
    connect(this.context, request, options, false);
  }

  override createConnection(): never {
    throw noConnections();
  }

  /** Connections are the mesh's, and others use them: `mesh.close()` ends them. */
  override destroy(): void {}
}

/** For requests to `https:`. */
export class MeshHttpsAgent extends https.Agent implements RequestTaker {
  private readonly context: SocketContext;

  constructor(context: SocketContext) {
    super(agentOptions);
    this.context = context;
  }

  addRequest(request: http.ClientRequest, options: AgentRequestOptions): void {
    connect(this.context, request, options, true);
  }

  override createConnection(): never {
    throw noConnections();
  }

  /** Connections are the mesh's, and others use them: `mesh.close()` ends them. */
  override destroy(): void {}
}

function connect(context: SocketContext, request: http.ClientRequest, options: AgentRequestOptions, isSecure: boolean): void {
  let origin: string;
  try {
    const refusal = refusalOf(options, isSecure);
    if (refusal !== undefined) throw refusal;
    origin = originOf(options, isSecure);
  } catch (error) {
    // Its second argument is missing in the types.
    (request as unknown as { onSocket(socket: null, error: unknown): void }).onSocket(null, error);
    return;
  }
  request.onSocket(new MeshSocket(context, origin, request, isSecure) as unknown as Socket);
}

function noConnections(): TypeError {
  return new TypeError('an agent of a mesh gives no connections; pass it as `agent` of a request');
}
