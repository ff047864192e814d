/** Requests of the mesh's own: to a cluster that no route leads to, under its policies. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { request } from 'undici';
import type { OutboundDispatcher } from '../../src/data-plane/dispatcher.ts';
import { endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { errorOf } from '../support/policy-mesh.ts';
import { answer, startServer } from '../support/servers.ts';

describe('the way to one cluster', () => {
  const ask = async (dispatcher: ReturnType<OutboundDispatcher['toCluster']>) => {
    const { statusCode, body } = await request('http://checker/allow', { dispatcher, headers: { 'x-a': 'b' } });
    await body.dump();
    return statusCode;
  };

  it('reaches a cluster that no route names, now and after an update of it', async () => {
    const [first, second] = [await startServer(answer('one')), await startServer(answer('two'))];
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    await plane.deliver([staticCluster('checker', [endpointAt(first.address)])]);
    const dispatcher = (mesh.dispatcher as OutboundDispatcher).toCluster('test', 'checker');
    assert.equal(await ask(dispatcher), 200);
    assert.equal(first.requests[0]?.url, '/allow');
    assert.equal(first.requests[0]?.headers.host, 'checker');
    await plane.deliver([staticCluster('checker', [endpointAt(second.address)])]);
    assert.equal(await ask(dispatcher), 200);
    assert.equal(second.requests.length, 1);
  });

  it('waits for a cluster that a source delivers on demand', async () => {
    const server = await startServer(answer('late'));
    const plane = new TestControlPlane('test', (want, self) => {
      if (want.kind === 'cluster') void self.deliver([staticCluster('checker', [endpointAt(server.address)])]);
      else void self.absent(want);
    });
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    assert.equal(await ask((mesh.dispatcher as OutboundDispatcher).toCluster('test', 'checker')), 200);
  });

  it('fails with the reason where there is no such cluster, and is not sent elsewhere', async () => {
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, configTimeoutMs: 50 });
    await plane.deliver([staticCluster('other', [endpointAt('192.0.2.1:80')])]);
    const error = await errorOf(ask((mesh.dispatcher as OutboundDispatcher).toCluster('test', 'checker')));
    assert.equal(error.code, 'MESH_NO_CLUSTER');
  });

  it('refuses an origin that is none', async () => {
    await using mesh = await createMesh();
    const dispatcher = (mesh.dispatcher as OutboundDispatcher).toCluster('test', 'checker');
    const error = await errorOf(dispatcher.request({ origin: 'nonsense', path: '/', method: 'GET' }));
    assert.equal(error.code, 'MESH_REQUEST_INVALID');
  });
});
