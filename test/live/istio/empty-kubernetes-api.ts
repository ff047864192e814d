import { createServer, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/**
 * An API server of Kubernetes that has nothing: lists are empty, watches stay silent, writes are refused. istiod does not start
 * without one, even when its configuration comes from files.
 */
export interface EmptyKubernetesApi {
  /** `http://127.0.0.1:port`. */
  readonly address: string;
  /** For `--kubeconfig`. */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

export async function startEmptyKubernetesApi(): Promise<EmptyKubernetesApi> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://kubernetes');
    request.resume();
    if (pathname === '/version') return json(response, 200, { major: '1', minor: '36', gitVersion: 'v1.36.1' });
    if (pathname === '/api') return json(response, 200, { kind: 'APIVersions', versions: ['v1'] });
    if (pathname === '/apis') return json(response, 200, { kind: 'APIGroupList', apiVersion: 'v1', groups: [] });
    if (request.method !== 'GET') return refuse(response, 403, 'Forbidden');
    // Clients that would have the list by the watch fall back to a list.
    if (searchParams.get('sendInitialEvents') !== null) return refuse(response, 422, 'Invalid');
    if (searchParams.get('watch') !== null) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      return;
    }
    const segments = pathname.split('/').filter(Boolean);
    const rest = segments.slice(segments[0] === 'api' ? 2 : 3);
    if (rest[0] === 'namespaces' && rest.length > 2) rest.splice(0, 2);
    if (rest.length !== 1) return refuse(response, 404, 'NotFound');
    const isPartial = (request.headers.accept ?? '').includes('PartialObjectMetadataList');
    json(response, 200, {
      ...(isPartial && { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' }),
      metadata: { resourceVersion: '1' },
      items: [],
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    kubeconfig: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: address } }],
      users: [{ name: 'u', user: { token: 'none' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    }),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function refuse(response: ServerResponse, code: number, reason: string): void {
  json(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message: reason, code, metadata: {} });
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
