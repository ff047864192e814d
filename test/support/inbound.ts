import {
  createServer,
  request as httpRequest,
  type Agent,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { createMesh, type Mesh, type MeshOptions } from 'meshfetch';
import type { AuthorizationRule, AuthorizationPolicyConfig } from '../../src/model/authorization.ts';
import type { InboundDoorOptions } from '../../src/model/inbound.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../src/model/listener.ts';
import type { Resource } from '../../src/model/snapshot.ts';
import { TestControlPlane } from './cluster-plane.ts';

/** A way in with one chain. */
export function wayIn(
  chain: Partial<FilterChainConfig> = {},
  listener: Partial<InboundListenerConfig> = {},
): Extract<Resource, { kind: 'listener' }> {
  const name = listener.name ?? 'in';
  return {
    kind: 'listener',
    name,
    value: {
      direction: 'inbound',
      name,
      mode: 'permissive',
      filterChains: [{ name: 'http', match: {}, authorization: [], ...chain }],
      ...listener,
    },
  };
}

/** A policy of one rule for everybody. */
export function policyOf(
  action: AuthorizationPolicyConfig['action'],
  permissions: AuthorizationRule['permissions'],
  more: Partial<AuthorizationPolicyConfig> = {},
): AuthorizationPolicyConfig {
  return {
    name: `${action}-policy`,
    action,
    rules: [{ name: `${action}-rule`, principals: [{ kind: 'any' }], permissions }],
    ...more,
  };
}

/** What came of a request. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends a request over HTTP/1.1 with its target and headers as they are written, on a connection of its own unless `agent` has one. */
export function send(
  port: number,
  path = '/',
  {
    method = 'GET',
    headers = {},
    body,
    agent = false,
  }: { method?: string; headers?: Record<string, string | string[]>; body?: string; agent?: Agent | false } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** A server of `node:http` whose requests pass the door of a mesh, whose control plane the test speaks through. */
export async function guardedServer(
  t: TestContext,
  handler: RequestListener,
  more: { readonly door?: InboundDoorOptions; readonly mesh?: MeshOptions; readonly plane?: TestControlPlane } = {},
): Promise<{ readonly mesh: Mesh; readonly plane: TestControlPlane; readonly server: Server; readonly port: number }> {
  const plane = more.plane ?? new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, ...more.mesh });
  const door = mesh.inbound(more.door);
  const server = createServer((request, response) => {
    door.admit(request, response, (refusal) => {
      if (refusal === undefined) handler(request, response);
      else door.refuse(request, response, refusal);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await mesh.close();
  });
  return { mesh, plane, server, port: (server.address() as AddressInfo).port };
}
