/** A route whose cluster is named by a header of the request: what anybody may write there must open no way that was not meant. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { request } from 'undici';
import { endpointAt, routesOf, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { startServer } from '../support/servers.ts';
import { eventually } from '../support/mesh-of.ts';

const byHeader = routesOf('orders', [{ match: {}, action: { kind: 'forward-by-header', header: 'x-cluster' } }]);

describe('a route whose cluster is named by a header', () => {
  it('reaches no host that the process has resolved by DNS', async () => {
    const inside = await startServer((_, response) => void response.end('inside'));
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    await plane.deliver([byHeader]);
    await (await request(`http://${inside.address}/`, { dispatcher: mesh.dispatcher })).body.dump();
    const { name } = mesh.status().clusters.find(({ source }) => source === 'dns')!;
    const sent = request('http://orders/', { dispatcher: mesh.dispatcher, headers: { 'x-cluster': name } });
    await assert.rejects(sent, { code: 'MESH_NO_CLUSTER' });
    assert.equal(inside.requests.length, 1);
  });

  it('reaches no cluster of another source', async () => {
    const inside = await startServer((_, response) => void response.end('inside'));
    const [plane, other] = [new TestControlPlane('one'), new TestControlPlane('two')];
    await using mesh = await createMesh({ controlPlane: [plane, other], drainTimeoutMs: 100 });
    await plane.deliver([byHeader]);
    await other.deliver([staticCluster('private', [endpointAt(inside.address)])]);
    const sent = request('http://orders/', { dispatcher: mesh.dispatcher, headers: { 'x-cluster': 'private' } });
    await assert.rejects(sent, { code: 'MESH_NO_CLUSTER' });
    assert.equal(inside.requests.length, 0);
  });

  it('asks for at most 100 names at a time, and serves who waits for one that comes', async () => {
    const server = await startServer((_, response) => void response.end('served'));
    const plane = new TestControlPlane('asked', () => {});
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, configTimeoutMs: 60_000 });
    await plane.deliver([byHeader]);
    const codes: string[] = [];
    const signal = new AbortController();
    const send = (name: string) =>
      request('http://orders/', { dispatcher: mesh.dispatcher, headers: { 'x-cluster': name }, signal: signal.signal });
    const all = Array.from({ length: 150 }, (_, index) =>
      send(`made-up-${index}`).catch((error: { code: string }) => void codes.push(error.code)),
    );
    await eventually('the refusals', () => codes.length === 50);
    assert.deepEqual(new Set(codes), new Set(['MESH_OVERFLOW']));
    assert.equal(plane.demands.filter(({ kind }) => kind === 'cluster').length, 100);
    await plane.deliver([staticCluster('made-up-7', [endpointAt(server.address)])]);
    const served = await all[7]!;
    assert.equal(await served!.body.text(), 'served');
    // A place is free again.
    const next = send('another');
    await eventually('the next question', () => plane.demands.some((want) => want.kind === 'cluster' && want.name === 'another'));
    signal.abort();
    await assert.rejects(next, { name: 'AbortError' });
    await Promise.all(all);
  });
});
