import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { refusal, writeRefusal } from '../../../../src/data-plane/inbound/refusal.ts';
import { send } from '../../../support/inbound.ts';

describe('a refusal', () => {
  it('has the gRPC status that stands for its own', () => {
    // Source: gRPC, "HTTP to gRPC Status Code Mapping".
    const mapped = [400, 401, 403, 404, 429, 502, 503, 504, 418].map(
      (status) => refusal(status, '', { details: 'x' }).grpcStatus,
    );
    assert.deepEqual(mapped, [13, 16, 7, 12, 14, 14, 14, 14, 2]);
  });

  const rows: readonly { name: string; type: string; isGrpc: boolean }[] = [
    { name: 'grpc', type: 'application/grpc', isGrpc: true },
    { name: 'grpc-with-a-codec', type: 'application/grpc+proto', isGrpc: true },
    { name: 'grpc-with-a-parameter', type: 'Application/gRPC; charset=utf-8', isGrpc: true },
    { name: 'grpc-web-is-http', type: 'application/grpc-web', isGrpc: false },
    { name: 'json', type: 'application/json', isGrpc: false },
  ];
  for (const { name, type, isGrpc } of rows)
    it(`is told in the protocol of the caller: ${name}`, async (t) => {
      const server = createServer((request, response) =>
        writeRefusal(request, response, refusal(403, 'not „you“, 100%', { details: 'secret', headers: { 'x-why': 'because' } })),
      );
      t.after(() => server.close());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const reply = await send(port, '/', { method: 'POST', headers: { 'content-type': type } });
      assert.equal(reply.headers['x-why'], 'because');
      assert.equal(JSON.stringify(reply).includes('secret'), false);
      if (isGrpc) {
        assert.deepEqual([reply.status, reply.body, reply.headers['grpc-status']], [200, '', '7']);
        assert.equal(reply.headers['grpc-message'], 'not %E2%80%9Eyou%E2%80%9C, 100%25');
      } else {
        assert.deepEqual([reply.status, reply.body], [403, 'not „you“, 100%']);
        assert.equal(reply.headers['grpc-status'], undefined);
      }
    });

  it('leaves a response alone that has begun', async (t) => {
    const server = createServer((request, response) => {
      response.writeHead(200);
      writeRefusal(request, response, refusal(403, 'no', { details: 'late' }));
      response.end('program');
    });
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const reply = await send((server.address() as AddressInfo).port);
    assert.deepEqual([reply.status, reply.body], [200, 'program']);
  });
});
