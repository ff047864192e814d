/**
 * Whether somebody else already does this pod's part in the mesh: a sidecar, or ztunnel (ambient). Then a second one would encrypt
 * what is encrypted, balance what is balanced and retry what is retried, so that the preset leaves the requests alone.
 *
 * Files come first, because they are right from the first moment on: the injector writes its status into the annotations, and the CNI
 * of ambient writes that it redirects. The agent of proxyless gRPC (`inject.istio.io/templates: grpc-agent`) is no sidecar: it sends
 * nothing. Then who listens on loopback is asked: Envoy's admin interface and probe, which name themselves, and ztunnel's port.
 */
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Clock } from '../../base/runtime.ts';
import type { Surroundings } from './environment.ts';
import type { PodFiles } from './pod-files.ts';

/** Nobody there is known within microseconds on loopback; an Envoy that is starting answers later. */
const probeTimeoutMs = 500;

/** Who does it, in words; undefined = nobody. */
export async function residentOf(
  files: Pick<PodFiles, 'labels' | 'annotations'>,
  ports: Surroundings['residentPorts'],
  clock: Clock,
): Promise<string | undefined> {
  const written = residentInFiles(files);
  if (written !== undefined) return written;
  const [admin, health, isTunnel] = await Promise.all([
    ask(ports.admin, '/server_info', clock),
    ask(ports.health, '/healthz/ready', clock),
    isListening(ports.tunnel, clock),
  ]);
  if (admin === 'envoy') return `an Envoy sidecar (its admin interface is at 127.0.0.1:${ports.admin})`;
  if (health === 'envoy') return `an Envoy sidecar (its probe is at 127.0.0.1:${ports.health})`;
  return isTunnel ? `ambient (ztunnel listens on 127.0.0.1:${ports.tunnel})` : undefined;
}

function residentInFiles({ labels, annotations }: Pick<PodFiles, 'labels' | 'annotations'>): string | undefined {
  if (annotations['ambient.istio.io/redirection'] === 'enabled')
    return 'ambient (the annotation ambient.istio.io/redirection is "enabled")';
  if (labels['istio.io/dataplane-mode'] === 'ambient') return 'ambient (the label istio.io/dataplane-mode is "ambient")';
  const templates = annotations['inject.istio.io/templates'] ?? '';
  if (annotations['sidecar.istio.io/status'] !== undefined && !templates.includes('grpc-agent'))
    return 'an Envoy sidecar (the annotation sidecar.istio.io/status says that one was injected)';
  return undefined;
}

/** The `server` header of what is answered there; undefined where nobody answers in HTTP. */
function ask(port: number, path: string, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    const outgoing = request({ host: '127.0.0.1', port, path, agent: false }, (response: IncomingMessage) => {
      resolve(response.headers.server?.toString());
      outgoing.destroy();
    });
    const timer = clock.setTimer(() => outgoing.destroy(), probeTimeoutMs);
    outgoing.once('error', () => resolve(undefined));
    outgoing.once('close', () => {
      timer.cancel();
      resolve(undefined);
    });
    outgoing.end();
  });
}

function isListening(port: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const timer = clock.setTimer(() => socket.destroy(), probeTimeoutMs);
    socket.once('connect', () => {
      resolve(true);
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => {
      timer.cancel();
      resolve(false);
    });
  });
}
