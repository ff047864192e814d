/**
 * What the mesh itself costs per request: from `dispatch` to the end of the response, with real routing, picking, limits, breaker,
 * outlier detection, retry policy, deadlines and the stack of connections. Only undici and the network are replaced, by a client
 * that answers at once with the same two headers.
 */
import type { Client, Dispatcher } from 'undici';
import { createMesh } from '../../src/mesh.ts';
import type { Mesh } from '../../src/mesh-interface.ts';
import { Connection } from '../../src/data-plane/transport/connection.ts';
import { HostConnections } from '../../src/data-plane/transport/host-connections.ts';
import { meshConfig } from '../load/variants.ts';
import { sink, type MicroRow } from './operation.ts';

const headers = { 'content-type': 'application/json', 'content-length': '11' };
const chunk = Buffer.from('{"id":4711}');

class AtOnce implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason = null;
  rawHeaders = null;
  rawTrailers = null;
  abort(): void {}
  pause(): void {}
  resume(): void {}
}
const controller = new AtOnce();

class ClientThatAnswers {
  dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    handler.onRequestStart!(controller, null);
    handler.onResponseStart!(controller, 200, headers, 'OK');
    handler.onResponseData!(controller, chunk);
    handler.onResponseEnd!(controller, headers);
    return true;
  }
}

class Listener implements Dispatcher.DispatchHandler {
  onRequestStart(): void {}
  onResponseStart(): void {}
  onResponseData(_controller: Dispatcher.DispatchController, data: Buffer): void {
    sink.value = data;
  }
  onResponseEnd(): void {}
  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    throw error;
  }
}
const options: Dispatcher.DispatchOptions = { origin: 'http://orders', path: '/api/items?page=2', method: 'GET', headers: {} };

/** A mesh whose connections are made without a network. */
async function meshWithoutNetwork(hosts = 4): Promise<Mesh> {
  const shape = HostConnections.prototype as unknown as { open: () => Connection };
  shape.open = () => {
    const connection = new Connection(new ClientThatAnswers() as unknown as Client, 0, 0);
    connection.isConnected = true;
    return connection;
  };
  return createMesh({ controlPlane: meshConfig({ ports: Array.from({ length: hosts }, (_, index) => 7001 + index) }) });
}

function meshStep(name: string, hosts: number): MicroRow {
  return {
    name,
    async create() {
      const { dispatcher } = await meshWithoutNetwork(hosts);
      const listener = new Listener();
      return {
        run(count) {
          for (let index = 0; index < count; index++) dispatcher.dispatch(options, listener);
        },
      };
    },
  };
}

export const rows: readonly MicroRow[] = [
  meshStep('mesh step', 4),
  meshStep('mesh step, 1000 hosts', 1000),
  {
    name: 'mesh step: the harness alone',
    create() {
      const client = new ClientThatAnswers();
      const listener = new Listener();
      return {
        run(count) {
          for (let index = 0; index < count; index++) client.dispatch(options, listener);
        },
      };
    },
  },
  {
    name: 'meshFetch without network, with json()',
    async create() {
      const mesh = await meshWithoutNetwork();
      return {
        async run(count) {
          for (let index = 0; index < count; index++)
            sink.value = await (await mesh.fetch('http://orders/api/items?page=2')).json();
        },
      };
    },
  },
];
