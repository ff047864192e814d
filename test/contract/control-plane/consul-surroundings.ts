import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { consulControlPlane } from '../../../src/control-plane/consul/index.ts';
import type { Surroundings } from './surroundings.ts';

/** An HTTP server that answers blocking queries as an agent does: at once when the index is old, else when something changes. */
export async function consulSurroundings(): Promise<Surroundings> {
  let index = 1;
  let port: number | undefined;
  let isBroken = false;
  const held = new Set<() => void>();

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://agent');
    if (isBroken) refuse(response);
    else if (pathname === '/v1/status/leader') response.setHeader('content-type', 'application/json').end('"127.0.0.1:8300"');
    else if (Number(searchParams.get('index') ?? 0) < index) answer(response, pathname);
    else {
      const release = (): void => {
        held.delete(release);
        if (isBroken) refuse(response);
        else answer(response, pathname);
      };
      held.add(release);
      response.once('close', () => held.delete(release));
    }
  });

  function answer(response: ServerResponse, pathname: string): void {
    const body = pathname.endsWith('/orders') && port !== undefined ? [instance(port)] : [];
    const headers = { 'content-type': 'application/json', 'x-consul-index': String(index), 'x-consul-knownleader': 'true' };
    response.writeHead(200, headers).end(JSON.stringify(body));
  }
  function refuse(response: ServerResponse): void {
    response.writeHead(500).end('No cluster leader');
  }
  async function change(): Promise<void> {
    index++;
    for (const release of held) release();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    plane: consulControlPlane({ address }, {}),
    wanted: { kind: 'authority', host: 'orders', port: 80 },
    unknown: { kind: 'authority', host: 'nobody', port: 80 },
    publish(number) {
      port = 7000 + number;
      isBroken = false;
      return change();
    },
    spoil() {
      isBroken = true;
      return change();
    },
    isInForce: ({ endpoints }, number) => JSON.stringify([...endpoints.values()]).includes(`"port":${7000 + number}`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function instance(port: number): object {
  return {
    Node: { Node: 'n1', Address: '127.0.0.1', Datacenter: 'dc1', Meta: {} },
    Service: {
      ID: 'orders-1',
      Service: 'orders',
      Tags: [],
      Address: '',
      Meta: {},
      Port: port,
      Weights: { Passing: 1, Warning: 1 },
    },
    Checks: [{ CheckID: 'serfHealth', Status: 'passing' }],
  };
}
