import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMeshError } from 'meshfetch';
import { authorize, compileMeshFile } from 'meshfetch/testing';

const file = `
services: { stock: { endpoints: [127.0.0.1:7003] } }
identity: { certificate: orders.pem, privateKey: orders.key, trustBundle: ca.pem }
inbound:
  - port: 8080
    mode: strict
    authorization:
      - { name: web-reads, from: { identities: ['spiffe://example.org/web'] }, to: { methods: [GET] } }
  - { port: 9090, mode: disabled }
`;

describe('a mesh.yaml for tests of its policy', () => {
  it('gives the way in of every port, and no other listener', async () => {
    const { listeners, problems } = await compileMeshFile(file);
    assert.deepEqual(
      listeners.map(({ port, mode }) => ({ port, mode })),
      [
        { port: 8080, mode: 'strict' },
        { port: 9090, mode: 'disabled' },
      ],
    );
    assert.deepEqual(problems, []);
  });

  it('gives rules that authorize() evaluates', async () => {
    const { listeners } = await compileMeshFile(file);
    const chain = listeners[0]!.filterChains[0]!;
    const peer = { spiffeId: 'spiffe://example.org/web' };
    assert.equal(authorize(chain, { method: 'GET', path: '/orders/42' }, peer).verdict, 'allowed');
    assert.equal(authorize(chain, { method: 'POST', path: '/orders' }, peer).verdict, 'denied');
  });

  it('says what is wrong with a bad one', async () => {
    await assert.rejects(compileMeshFile('inbound: { mode: stric }', 'orders.yaml'), (error: unknown) => {
      assert.ok(isMeshError(error) && error.code === 'MESH_CONFIG_INVALID');
      assert.match(error.message, /orders\.yaml.*strict/s);
      return true;
    });
  });
});
