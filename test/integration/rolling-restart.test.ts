/** The endpoints of a service go and come back one after the other, on real sockets and with the safe defaults. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { request } from 'undici';
import type { Mesh } from 'meshfetch';
import { eventually, ordersAt, type ServiceInput } from '../support/mesh-of.ts';
import { startServer, type TestServer } from '../support/servers.ts';

const post = async (mesh: Mesh): Promise<string> => {
  const response = await request('http://orders/', { dispatcher: mesh.dispatcher, method: 'POST', body: 'once' });
  return response.body.text();
};

const statesOf = (mesh: Mesh): string[] => mesh.status().clusters[0]!.endpoints.map(({ state }) => state);

/** Answers with a name, and closes: no connection of a server that stops is asked once more. */
const said =
  (name: string): RequestListener =>
  (_request, response) =>
    response.setHeader('connection', 'close').end(name);

/** Two endpoints of which the first was ejected, and is back; nobody has asked it since. */
async function firstIsBack(service: ServiceInput = {}): Promise<{ readonly mesh: Mesh; readonly second: TestServer }> {
  const first = await startServer(said('first'));
  const second = await startServer(said('second'));
  const mesh = await ordersAt([first.address, second.address], service);
  await first.kill();
  while (statesOf(mesh)[0] !== 'outlier') assert.equal(await post(mesh), 'second');
  await startServer(said('first'), first.port);
  return { mesh, second };
}

describe('a rolling restart of two endpoints', () => {
  it('loses no request: where nobody listens any more, the ejected one is asked before its time', async () => {
    const { mesh, second } = await firstIsBack();
    await second.kill();
    assert.equal(statesOf(mesh)[0], 'outlier');
    for (let count = 0; count < 20; count++) assert.equal(await post(mesh), 'first');
    await eventually('the first is back', () => statesOf(mesh)[0] === 'healthy');
    await mesh.close();
  });

  it('asks no ejected endpoint before its time where the policy says that time alone ends it', async () => {
    const { mesh, second } = await firstIsBack({ outlierDetection: { returnOnProbe: false } });
    await second.kill();
    await assert.rejects(post(mesh), { code: 'MESH_CONNECT_FAILED' });
    await mesh.close();
  });
});
