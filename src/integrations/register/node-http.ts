/**
 * The mesh under every Agent of node:http and node:https, those of the program included: an Agent is asked for each request
 * (`addRequest`), and all of them inherit that from one prototype. What the mesh takes goes to its own agent; the rest goes on as it came,
 * with the sockets, limits and proxies of the Agent that the program chose. Requests over a unix socket, and those with a
 * `createConnection` and no Agent, ask none and are left alone. So are those that the program secures by itself (roots, a certificate, a
 * check of its own, in the request or in its Agent): nobody else would be checked so, and nobody else knows it by that certificate.
 */
import { Agent, type ClientRequest } from 'node:http';
import { ownTrustOf } from '../../base/own-trust.ts';
import type { Steering } from './steering.ts';

/** What Node calls; its types leave it out. */
type AddRequest = (this: Agent, request: ClientRequest, options: AgentRequestOptions, ...legacy: unknown[]) => void;

interface AgentRequestOptions {
  readonly host?: string | null;
  readonly port?: number | string | null;
  readonly socketPath?: string | null;
  readonly [name: string]: unknown;
}

interface RequestTaker {
  addRequest(request: ClientRequest, options: AgentRequestOptions): void;
}

/** Puts the mesh under the agents; returns what takes it away again. */
export function steerAgents(steering: Steering): () => void {
  const prototype = Agent.prototype as unknown as { addRequest: AddRequest };
  const original = prototype.addRequest;
  let isOver = false;

  const addRequest: AddRequest = function (request, options, ...legacy) {
    const goOn = (): void => original.call(this, request, options, ...legacy);
    const origin = isOver ? undefined : originOf(request, options);
    const takes = origin === undefined ? false : steering.takes(origin);
    const own = takes === false ? undefined : ownSecurityOf(this, request, options);
    if (own !== undefined) warnOf(origin!, own, takes);
    if (takes === false || own !== undefined) {
      goOn();
      return;
    }
    const hand = (): void => {
      const { mesh } = steering;
      if (mesh === undefined) goOn();
      else {
        takeProxyOff(request, origin!);
        takeTimeoutOf(this, request);
        const agent = request.protocol === 'https:' ? mesh.httpsAgent : mesh.httpAgent;
        (agent as unknown as RequestTaker).addRequest(request, options);
      }
    };
    if (takes === true) {
      hand();
      return;
    }
    const go = (isTaken: boolean): void => {
      // The caller gave up meanwhile: no socket is made for it.
      if (request.destroyed) request.onSocket(null as never);
      else if (isTaken) hand();
      else goOn();
    };
    // What an Agent throws at once (a certificate that cannot be read) would end the process here.
    takes.then(go).catch((error: Error) => fail(request, error));
  };
  prototype.addRequest = addRequest;
  return () => {
    isOver = true;
    // Somebody else may have put a function of his own over it.
    if (prototype.addRequest === addRequest) prototype.addRequest = original;
  };
}

function originOf({ protocol }: ClientRequest, { host, port, socketPath }: AgentRequestOptions): string | undefined {
  if (typeof host !== 'string' || host === '' || (socketPath !== undefined && socketPath !== null)) return undefined;
  const written = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return `${protocol}//${written}:${port ?? (protocol === 'https:' ? 443 : 80)}`;
}

/** The first option by which the program says how the connection is proved; undefined = it leaves that to others. */
function ownSecurityOf(agent: Agent, { protocol }: ClientRequest, options: AgentRequestOptions): string | undefined {
  return protocol === 'https:' ? (ownTrustOf(options) ?? ownTrustOf(optionsOf(agent))) : undefined;
}

const warned = new Set<string>();
/** A mesh that refuses unknown hosts takes any number of them. */
const maxWarnings = 100;

/** Says once for each host that the mesh serves it, and yet these requests do not go through the mesh. */
function warnOf(origin: string, option: string, takes: boolean | Promise<boolean>): void {
  if (warned.has(origin) || warned.size >= maxWarnings) return;
  if (takes === true) {
    warned.add(origin);
    const text = `requests to ${origin} with "${option}" of their own do not go through the mesh: the program secures them itself`;
    process.emitWarning(text, { code: 'MESHFETCH_OWN_TLS' });
  } else if (takes !== false)
    takes.then(
      (isTaken) => warnOf(origin, option, isTaken),
      () => {},
    );
}

/** What the Agent of the program would have set on its socket; how long the program waits is its own affair. */
function takeTimeoutOf(agent: Agent, request: ClientRequest): void {
  const { timeout } = optionsOf(agent);
  if (typeof timeout === 'number') (request as { timeout?: number }).timeout ??= timeout;
}

/** What an Agent was made with; its types leave it out. */
function optionsOf(agent: Agent): Readonly<Record<string, unknown>> {
  return (agent as { readonly options?: Readonly<Record<string, unknown>> }).options ?? {};
}

/**
 * An Agent for a proxy has written the request for it (RFC 9112, section 3.2.2) before it came here; the proxy's password is for the proxy.
 * What names another origin is meant for a proxy that the mesh serves.
 */
function takeProxyOff(request: ClientRequest, origin: string): void {
  if (request.headersSent || !/^https?:\/\//i.test(request.path)) return;
  const url = URL.parse(request.path);
  if (url === null || url.origin !== URL.parse(origin)?.origin) return;
  request.path = url.pathname + url.search;
  for (const name of ['proxy-authorization', 'proxy-connection']) request.removeHeader(name);
}

/** As an Agent tells a request that it has no socket for it. */
function fail(request: ClientRequest, error: Error): void {
  (request as unknown as { onSocket(socket: null, error: Error): void }).onSocket(null, error);
}
