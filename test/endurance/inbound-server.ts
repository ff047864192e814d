/** The server of the endurance run: three ports whose policies and certificates change all the time, and what it says of itself. */
import { subscribe } from 'node:diagnostics_channel';
import { readdirSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { createMesh } from 'meshfetch';
import { serveParent } from '../../benchmarks/child-process.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../src/model/listener.ts';
import { testAuthority, workloadCertificate } from '../support/certificates.ts';
import { policyOf } from '../support/inbound.ts';
import { meshListener, mutualChain, plaintextChain, SecuredPlane } from '../support/listening.ts';

export type ServerQuestion =
  | { readonly kind: 'open' }
  | { readonly kind: 'change'; readonly everyMs: number | undefined }
  | { readonly kind: 'measure' }
  | { readonly kind: 'close' };

/** PEM of a caller and its key. */
export interface CallerIdentity {
  readonly cert: string;
  readonly key: string;
}

/** The server is open. */
export interface Opened {
  /** PERMISSIVE, HTTP/2 over the bridge. */
  readonly bridge: number;
  /** PERMISSIVE, with Node's own objects of HTTP/2. */
  readonly native: number;
  /** PERMISSIVE and STRICT in turn. */
  readonly turning: number;
  /** Of the authority that is always trusted, and of one that comes and goes. */
  readonly trusted: CallerIdentity;
  readonly sometimesTrusted: CallerIdentity;
  /** Signs what the server shows. */
  readonly ca: string;
}

export interface Measures {
  readonly heapBytes: number;
  readonly openFiles: number;
  /** What keeps the process alive, by type. */
  readonly resources: Readonly<Record<string, number>>;
  readonly connections: number;
  readonly requestsInFlight: number;
  readonly changes: number;
  /** Connections that were refused, by reason. */
  readonly refusedConnections: Readonly<Record<string, number>>;
  /** What must never happen. */
  readonly faults: readonly string[];
}

const faults: string[] = [];
const refusedConnections: Record<string, number> = {};
process.on('unhandledRejection', (reason) => faults.push(`unhandled rejection: ${textOf(reason)}`));
process.on('uncaughtException', (error) => faults.push(`uncaught: ${textOf(error)}`));
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') faults.push(`warning: ${textOf(warning)}`);
});
subscribe('meshfetch:inbound:refused', (message) => {
  const { reason, details } = message as { readonly reason: string; readonly details: string };
  if (reason === 'internal') faults.push(`a mistake of the mesh: ${details}`);
});
subscribe('meshfetch:inbound:connection-refused', (message) => {
  const { reason } = message as { readonly reason: string };
  refusedConnections[reason] = (refusedConnections[reason] ?? 0) + 1;
});

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function handler(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url!.split('?')[0];
  if (path === '/count') {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => (bytes += chunk.length));
    request.on('end', () => response.end(String(bytes)));
  } else if (path === '/slow') {
    response.write('a');
    setTimeout(() => response.end('b'), 1 + Math.random() * 30);
  } else response.end('ok');
}

function upgrade(_request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', () => {});
  if (head.length > 0) socket.unshift(head);
  socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
  socket.pipe(socket);
}

const plane = new SecuredPlane();
const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 2000 });
const identities = await plane.identities;
const [authority, other] = [await testAuthority('always'), await testAuthority('sometimes')];
const shown = await Promise.all(Array.from({ length: 8 }, () => workloadCertificate(authority, 'server')));
const bundles = [authority.certificate, authority.certificate + other.certificate];
let changes = 0;
let changing: NodeJS.Timeout | undefined;
let turningPort = 0;

function held(verdict: { readonly ok: true } | { readonly ok: false; readonly reason: string }): void {
  if (!verdict.ok) faults.push(`a certificate was refused: ${verdict.reason}`);
}

/** Puts another policy in force, in turn another certificate and another trust bundle too. What callers may do stays the same. */
async function change(): Promise<void> {
  const turn = changes++;
  if (turn % 2 === 0) held(identities.setSvid({ name: 'default', ...shown[(turn / 2) % shown.length]! }));
  if (turn % 3 === 0) held(identities.setTrustBundle({ name: 'default', certificates: bundles[(turn / 3) % bundles.length]! }));
  const more: Partial<FilterChainConfig> = {
    authorization: [
      policyOf('deny', [{ kind: 'path', match: { kind: 'exact', value: '/denied' } }], { name: `deny-${turn}` }),
      policyOf('allow', [{ kind: 'any' }], { name: `allow-${turn}` }),
    ],
    ...(turn % 2 === 1 && { rateLimit: { maxTokens: 1e6, tokensPerFill: 1e6, fillIntervalMs: 100 } }),
    ...(turn % 3 === 1 && { admission: { maxRequests: 10_000 } }),
    ...(turn % 5 === 1 && { loadReport: true, serverHeader: `turn-${turn}` }),
  };
  const filterChains = [mutualChain(more), plaintextChain(more)];
  const listeners: InboundListenerConfig[] = [
    meshListener({ filterChains }),
    meshListener({ name: 'turning', port: turningPort, mode: turn % 4 < 2 ? 'permissive' : 'strict', filterChains }),
  ];
  await plane.deliver(listeners.map((value) => ({ kind: 'listener', name: value.name, value })));
}

async function open(): Promise<Opened> {
  held(identities.setSvid({ name: 'default', ...shown[0]! }));
  held(identities.setTrustBundle({ name: 'default', certificates: bundles[0]! }));
  const options = { port: 0, host: '127.0.0.1', upgrade } as const;
  const [bridge, native, turning] = await Promise.all([
    mesh.listen(handler, options),
    mesh.listen(handler, { ...options, http2: 'native' }),
    mesh.listen(handler, options),
  ]);
  turningPort = turning.port;
  await change();
  const callers = await Promise.all([workloadCertificate(authority, 'client'), workloadCertificate(other, 'client')]);
  const [trusted, sometimesTrusted] = callers.map((issued) => ({
    cert: issued.certificateChain,
    key: issued.privateKey.reveal(),
  }));
  return {
    bridge: bridge.port,
    native: native.port,
    turning: turning.port,
    trusted: trusted!,
    sometimesTrusted: sometimesTrusted!,
    ca: authority.certificate,
  };
}

async function measure(): Promise<Measures> {
  // Twice, with a turn of the loop between: what a finalizer frees goes with the second.
  for (let turn = 0; turn < 2; turn++) {
    globalThis.gc!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const resources: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) resources[type] = (resources[type] ?? 0) + 1;
  const ports = mesh.status().inbound;
  return {
    heapBytes: process.memoryUsage().heapUsed,
    openFiles: readdirSync('/proc/self/fd').length,
    resources,
    connections: ports.reduce((sum, port) => sum + (port.connections ?? 0), 0),
    requestsInFlight: ports.reduce((sum, port) => sum + port.requestsInFlight, 0),
    changes,
    refusedConnections,
    faults,
  };
}

serveParent(async (question: ServerQuestion): Promise<object> => {
  switch (question.kind) {
    case 'open':
      return open();
    case 'change':
      clearInterval(changing);
      if (question.everyMs !== undefined)
        changing = setInterval(() => void change().catch((error: unknown) => faults.push(textOf(error))), question.everyMs);
      return {};
    case 'measure':
      return measure();
    default:
      await mesh.close();
      return measure();
  }
});
