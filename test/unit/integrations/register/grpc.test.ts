import assert from 'node:assert/strict';
import { it } from 'node:test';
import { credentials, status, type ServiceError } from '@grpc/grpc-js';
import { steerGrpc } from '../../../../src/integrations/register/grpc.ts';
import { type Installation, Steering } from '../../../../src/integrations/register/steering.ts';
import { EchoService, startEcho } from '../../../contract/grpc/echo-service.ts';
import { meshOf } from '../../../support/mesh-of.ts';

it('a target of which no control plane says in time whose it is does not go out past the mesh', async (t) => {
  const server = await startEcho();
  t.after(() => server.close());
  await using served = await meshOf({}, { unknownHosts: 'refuse' });
  const mesh = { ...served, dispatcher: served.dispatcher, serves: () => Promise.reject(new Error('nobody has said')) };
  const steering = new Steering();
  const installation: Installation = { mesh, bypasses: () => false };
  steering.installations.push(installation);
  const stop = steerGrpc(steering, installation);
  t.after(stop);
  const client = new EchoService(server.address, credentials.createInsecure());
  t.after(() => client.close());
  const error = await new Promise<ServiceError | null>((resolve) => client.unary(Buffer.from('x'), resolve));
  assert.equal(error?.code, status.UNAVAILABLE);
  assert.deepEqual(server.seen, []);
});
