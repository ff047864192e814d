import assert from 'node:assert/strict';
import { Agent, type IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import type { MeshRequest } from '../../src/model/inbound.ts';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { guardedServer, policyOf, send, wayIn } from '../support/inbound.ts';

const admin = { kind: 'path', match: { kind: 'prefix', value: '/admin' } } as const;

describe('the way in of a server that somebody else owns', () => {
  it('lets a request pass, and tells the handler who calls', async (t) => {
    let seen: MeshRequest | undefined;
    const { plane, port } = await guardedServer(t, (request, response) => {
      seen = (request as IncomingMessage & { mesh?: MeshRequest }).mesh;
      response.end('hello');
    });
    await plane.deliver([wayIn()]);
    const reply = await send(port, '/orders?x=1');
    assert.deepEqual([reply.status, reply.body], [200, 'hello']);
    assert.equal(seen?.mesh, 'mesh');
    assert.equal(seen?.path, '/orders');
    assert.equal(seen?.isTls, false);
    assert.deepEqual(seen?.peer, { isAuthenticated: false, dnsNames: [], uris: [], address: '127.0.0.1' });
  });

  it('refuses what a policy denies, as Envoy does, and says nothing of the policy', async (t) => {
    let calls = 0;
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end(String(++calls)));
    await plane.deliver([wayIn({ authorization: [policyOf('deny', [admin])] })]);
    const reply = await send(port, '/admin/users');
    assert.deepEqual([reply.status, reply.body, calls], [403, 'RBAC: access denied', 0]);
    assert.equal(JSON.stringify(reply.headers).includes('deny-rule'), false);
    assert.equal((await send(port, '/orders')).status, 200);
  });

  it('authorizes the path that the handler gets', async (t) => {
    const seen: string[] = [];
    const { plane, port } = await guardedServer(t, (request, response) => {
      seen.push(request.url!);
      response.end();
    });
    await plane.deliver([wayIn({ authorization: [policyOf('deny', [admin])] })]);
    for (const path of ['//admin', '/./admin', '/x/../admin', '/%61dmin', '/x/%2e%2e/admin'])
      assert.equal((await send(port, path)).status, 403, path);
    assert.equal((await send(port, '/a%2fdmin')).status, 400);
    assert.equal((await send(port, '//orders/./1?q=//')).status, 200);
    assert.deepEqual(seen, ['/orders/1?q=//']);
  });

  it('answers a refused call of gRPC in its trailers', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end());
    await plane.deliver([wayIn({ authorization: [policyOf('deny', [{ kind: 'any' }])] })]);
    const reply = await send(port, '/orders.Orders/Get', {
      method: 'POST',
      headers: { 'content-type': 'application/grpc+proto' },
    });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['grpc-status'], '7');
    assert.equal(reply.headers['grpc-message'], 'RBAC: access denied');
    assert.equal(reply.headers['content-type'], 'application/grpc');
  });

  it('puts another policy in force for connections that are there', async (t) => {
    const { plane, port, server } = await guardedServer(t, (_request, response) => void response.end());
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    let connections = 0;
    server.on('connection', () => (connections += 1));
    await plane.deliver([wayIn()]);
    assert.equal((await send(port, '/', { agent })).status, 200);
    await plane.deliver([wayIn({ authorization: [policyOf('deny', [{ kind: 'any' }])] })]);
    assert.equal((await send(port, '/', { agent })).status, 403);
    assert.equal(connections, 1);
  });

  it('takes the policy of the very port before that of all ports', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end());
    await plane.deliver([
      wayIn({ authorization: [policyOf('deny', [{ kind: 'any' }])] }, { name: 'all' }),
      wayIn({}, { name: 'one', port }),
    ]);
    assert.equal((await send(port)).status, 200);
  });

  it('refuses while a source that guards ports has yet to say what may come in', async (t) => {
    class Guard extends TestControlPlane {
      readonly guardsInbound = true;
    }
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end(), { plane: new Guard() });
    const early = await send(port);
    assert.deepEqual([early.status, early.headers['connection']], [503, 'close']);
    await plane.deliver([wayIn()]);
    assert.equal((await send(port)).status, 200);
  });

  it('refuses without a policy where that is asked for', async (t) => {
    const { port } = await guardedServer(t, (_request, response) => void response.end(), { door: { policyMissing: 'deny' } });
    assert.equal((await send(port)).status, 403);
  });

  it('takes nothing in plaintext under strict but the paths that are meant for it', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end('fine'));
    await plane.deliver([
      wayIn({ authorization: [policyOf('deny', [{ kind: 'any' }])] }, { mode: 'strict', plaintextPaths: ['/healthz'] }),
    ]);
    const refused = await send(port);
    assert.deepEqual([refused.status, refused.body], [403, 'this port takes mutual TLS only']);
    assert.equal((await send(port, '/healthz?verbose')).body, 'fine');
    assert.equal((await send(port, '/x/../healthz')).body, 'fine');
    assert.equal((await send(port, '/healthz', { method: 'POST' })).status, 403);
  });

  it('is as strict as the stricter of policy and option', async (t) => {
    const { plane, port } = await guardedServer(t, (_request, response) => void response.end(), { door: { mode: 'strict' } });
    await plane.deliver([wayIn({}, { mode: 'disabled' })]);
    assert.equal((await send(port)).status, 403);
  });
});
