/** Call credentials of gRPC go over TLS or nowhere, also where the mesh leaves a host to the dispatcher that the program has set. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { Client, credentials, Metadata, status, type CallCredentials } from '@grpc/grpc-js';
import { meshChannelCredentials, meshErrorOf } from 'meshfetch/grpc';
import { sameBytes } from '../support/grpc-port.ts';
import { meshOf } from '../support/mesh-of.ts';
import { answer, startServer } from '../support/servers.ts';

function bearer(): CallCredentials {
  return credentials.createFromMetadataGenerator((_options, done) => {
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer secret');
    done(null, metadata);
  });
}

describe('a call with call credentials', () => {
  it('does not leave for a host that the mesh does not serve in plaintext', async (t) => {
    class Chosen extends Agent {}
    const before = getGlobalDispatcher();
    setGlobalDispatcher(new Chosen());
    t.after(() => setGlobalDispatcher(before));
    const server = await startServer(answer('reached'));
    const mesh = await meshOf({ orders: { endpoints: [server.address] } });
    t.after(() => mesh.close());
    const secured = credentials.combineChannelCredentials(meshChannelCredentials(mesh), bearer());
    const call = (with_: typeof secured): Promise<unknown> =>
      new Promise((resolve) => {
        const client = new Client(`mesh:///localhost:${server.port}`, with_);
        t.after(() => client.close());
        client.makeUnaryRequest('/test.Echo/Echo', sameBytes, sameBytes, Buffer.from('x'), (error) => resolve(error));
      });
    await call(meshChannelCredentials(mesh));
    assert.equal(server.requests.length, 1, 'without credentials the dispatcher of the program gets it');
    const error = await call(secured);
    assert.equal((error as { code?: number }).code, status.UNAUTHENTICATED);
    assert.equal(meshErrorOf(error)?.code, 'MESH_REQUEST_INVALID');
    assert.equal(server.requests.length, 1);
  });
});
