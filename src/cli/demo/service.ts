/**
 * One process of the demo: a real HTTPS server that demands client certificates, and a mesh of its own for the calls it makes. Its
 * role and files come as JSON in the first argument; what its mesh decides goes to the parent over IPC.
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, watch } from 'node:fs';
import { createServer } from 'node:https';
import { dirname } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { createMesh } from '../../mesh.ts';
import type { Mesh } from '../../mesh-interface.ts';
import { endpointStates, lossFrom, lossFromBody, type EndpointState, type Loss } from './loss.ts';

/** What the parent tells a service at its start. */
export interface ServiceOptions {
  readonly role: 'frontend' | 'orders' | 'inventory';
  readonly name: string;
  readonly version: string;
  readonly port: number;
  readonly certificate: string;
  readonly privateKey: string;
  readonly trustBundle: string;
  /** mesh.yaml of the services that it calls. */
  readonly config?: string;
}

/** What a service tells the parent. */
export type ServiceMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'endpoints'; readonly endpoints: readonly EndpointState[] }
  | { readonly kind: 'event'; readonly event: string; readonly payload: Readonly<Record<string, unknown>> };

const options = JSON.parse(process.argv[2] ?? '{}') as ServiceOptions;
const tell = (message: ServiceMessage): void => void process.send?.(message);
let slowMs = 0;

process.on('message', (message: { slowMs?: number; asksEndpoints?: boolean }) => {
  if (message.asksEndpoints === true)
    tell({ kind: 'endpoints', endpoints: mesh === undefined ? [] : endpointStates(mesh.status(), options.name) });
  else slowMs = message.slowMs ?? 0;
});
// The parent is gone: nobody is left to stop this process.
process.on('disconnect', () => process.exit(0));

for (const event of [
  'retry:scheduled',
  'host:ejected',
  'host:returned',
  'config:applied',
  'identity:rotated',
  'breaker:opened',
]) {
  subscribe(`meshfetch:${event}`, (payload) => tell({ kind: 'event', event, payload: payload as Record<string, unknown> }));
}

const mesh: Mesh | undefined =
  options.config === undefined
    ? undefined
    : await createMesh({ name: options.name, controlPlane: options.config, unknownHosts: 'refuse' });

/** Where a role sends its requests on, and what it answers itself; a loss is handed on as who met it said it. */
async function answer(path: string, peer: string, serial: string): Promise<{ readonly body: object } | { readonly loss: Loss }> {
  const { role, name, version } = options;
  if (role === 'inventory') return { body: { by: name, stock: path.length } };
  const next = role === 'frontend' ? 'orders' : 'inventory';
  try {
    const response = await mesh!.fetch(`http://${next}${path}`);
    const text = await response.text();
    if (!response.ok) return { loss: lossFromBody(text, response.status, name) };
    return { body: { by: name, version, peer, serial, [next]: JSON.parse(text) as unknown } };
  } catch (error) {
    return { loss: lossFrom(error, name) };
  }
}

const material = () => ({
  cert: readFileSync(options.certificate),
  key: readFileSync(options.privateKey),
  ca: readFileSync(options.trustBundle),
});
const server = createServer({ ...material(), requestCert: true, rejectUnauthorized: true }, (request, response) => {
  const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
  const peer = certificate?.subjectAltName?.replace(/^URI:/, '').split(', ')[0] ?? 'nobody';
  const respond = (): void => {
    void answer(request.url ?? '/', peer, certificate?.serialNumber ?? '').then((answered) => {
      if ('loss' in answered) response.writeHead(502).end(JSON.stringify(answered.loss));
      else response.end(JSON.stringify(answered.body));
    });
  };
  if (slowMs > 0) setTimeout(respond, slowMs);
  else respond();
});
// New connections show the new certificate; a pair that is half written is tried again at the next change.
watch(dirname(options.certificate), () => {
  try {
    server.setSecureContext(material());
  } catch {
    /* the other half of the pair follows */
  }
});
server.listen(options.port, '127.0.0.1', () => tell({ kind: 'ready' }));
