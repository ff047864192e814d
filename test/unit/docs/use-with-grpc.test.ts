import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServiceError } from '@grpc/grpc-js';
import { makeGenericClientConstructor } from '@grpc/grpc-js';
import { explain, ordersOf, patiently, withToken } from '../../../docs/examples/use-with-grpc/clients.ts';
import { startGrpcServer } from '../../support/grpc-server.ts';
import { meshOf } from '../../support/mesh-of.ts';

const json = {
  serialize: (value: object) => Buffer.from(JSON.stringify(value)),
  parse: (bytes: Buffer) => JSON.parse(bytes.toString()) as object,
};
const Orders = makeGenericClientConstructor(
  {
    get: {
      path: '/shop.Orders/Get',
      requestStream: false,
      responseStream: false,
      requestSerialize: json.serialize,
      requestDeserialize: json.parse,
      responseSerialize: json.serialize,
      responseDeserialize: json.parse,
    },
  },
  'shop.Orders',
) as unknown as Parameters<typeof ordersOf>[1];

describe('the clients of the page about gRPC', () => {
  it('reach the service, and wait for it', async (t) => {
    const server = await startGrpcServer({ unary: { '/shop.Orders/Get': (request) => request } });
    t.after(() => server.close());
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const client = ordersOf(mesh, Orders);
    t.after(() => client.close());
    const order = await new Promise<object | undefined>((resolve) => patiently(client, (_error, answer) => resolve(answer)));
    assert.deepEqual(order, { id: '42' });
  });

  it('say what failed, and keep their token to themselves in plaintext', async (t) => {
    const server = await startGrpcServer({ unary: { '/shop.Orders/Get': () => ({ code: 5, details: 'no such order' }) } });
    t.after(() => server.close());
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const said = async (client: ReturnType<typeof ordersOf>): Promise<string> => {
      t.after(() => client.close());
      return explain((await new Promise<ServiceError | null>((resolve) => patiently(client, resolve)))!);
    };
    assert.equal(await said(ordersOf(mesh, Orders)), 'NOT_FOUND: no such order');
    const client = new Orders(
      'mesh:///orders',
      withToken(mesh, () => 'secret'),
    );
    assert.match(await said(client), /^MESH_REQUEST_INVALID after \d attempts: Set `tls` for "orders"/);
  });
});
