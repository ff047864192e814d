/** Node's own responses, since it is their ways of writing a head that are caught. */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { addToResponse, beforeHead } from '../../../../src/data-plane/inbound/response-head.ts';
import { send } from '../../../support/inbound.ts';

const rows: readonly { name: string; write: (response: ServerResponse) => void; status?: number; kept?: unknown }[] = [
  { name: 'set-before', write: (response) => response.setHeader('x-own', '1').end() },
  { name: 'with-the-status', write: (response) => response.writeHead(201, { 'x-own': '1' }).end(), status: 201 },
  { name: 'with-a-reason', write: (response) => response.writeHead(201, 'Made', { 'x-own': '1' }).end(), status: 201 },
  { name: 'as-a-list', write: (response) => response.writeHead(200, ['X-Own', '1', 'x-own', '2']).end(), kept: '1, 2' },
  { name: 'as-pairs', write: (response) => response.writeHead(200, [['x-own', '1']] as never).end() },
  { name: 'by-the-first-byte', write: (response) => void response.setHeader('x-own', '1').write('a', () => response.end()) },
  { name: 'by-flushing', write: (response) => (response.setHeader('x-own', '1').flushHeaders(), response.end()) },
];

describe('the head of a response', () => {
  for (const { name, write, status = 200, kept = '1' } of rows)
    it(`is changed once, however it is written: ${name}`, async (t) => {
      let edits = 0;
      const server = createServer((_request, response) => {
        beforeHead(response, (head) => {
          edits += 1;
          assert.equal(head.statusCode, status);
          assert.equal([head.getHeader('x-own')].flat().join(', '), kept);
          head.setHeader('x-added', 'yes');
        });
        write(response);
      });
      t.after(() => server.close());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const reply = await send((server.address() as AddressInfo).port);
      assert.deepEqual([reply.status, reply.headers['x-own'], reply.headers['x-added'], edits], [status, kept, 'yes', 1]);
    });

  for (const status of [200, 99])
    it(`is changed when a head that Node did not take came before it, with ${status}`, async (t) => {
      const server = createServer((_request, response) => {
        beforeHead(response, (head) => head.setHeader('x-added', [head.getHeader('x-added') ?? [], 'yes'].flat() as string[]));
        assert.throws(() => response.writeHead(status, { 'content-length': 500, 'x-own': status === 99 ? '1' : 'a\r\nb' }));
        response.writeHead(500).end('recovered');
      });
      t.after(() => server.close());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { status: answered, headers, body } = await send((server.address() as AddressInfo).port);
      assert.deepEqual([answered, headers['x-added'], headers['x-own'], body], [500, 'yes', undefined, 'recovered']);
    });

  it('says whom a page may come from once, where the program says it too', async (t) => {
    const server = createServer((_request, response) => {
      beforeHead(response, (head) =>
        addToResponse(
          [
            ['access-control-allow-origin', 'https://a.example'],
            ['vary', 'origin'],
            ['x-own', '2'],
          ],
          head,
        ),
      );
      response.writeHead(200, { 'access-control-allow-origin': '*', vary: 'Accept, Origin', 'x-own': '1' }).end();
    });
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { headers } = await send((server.address() as AddressInfo).port);
    assert.deepEqual(
      [headers['access-control-allow-origin'], headers.vary, headers['x-own']],
      ['https://a.example', 'Accept, Origin', '1, 2'],
    );
  });

  it('is that of the program where the change fails', async (t) => {
    const server = createServer((_request, response) => {
      beforeHead(response, () => {
        throw new Error('a part of the mesh');
      });
      response.writeHead(202, { 'x-own': '1' }).end();
    });
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const reply = await send((server.address() as AddressInfo).port);
    assert.deepEqual([reply.status, reply.headers['x-own']], [202, '1']);
  });
});
