import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from '../../../src/index.ts';
import { spiffeControlPlane, WorkloadApiError } from '../../../src/control-plane/spiffe/index.ts';
import { openGrpc, type GrpcError } from '../../../src/wire/grpc-client.ts';
import { startWorkloadApi } from '../xds/workload-api.ts';
import { startMutualTls } from './mutual-tls-server.ts';
import { meshOn, ordersAt, statusWhere, until } from './mesh-on.ts';

const web = 'spiffe://own.test/web';
const orders = 'spiffe://own.test/orders';

describe('identity from a SPIFFE Workload API', () => {
  for (const transport of ['unix', 'tcp'] as const)
    it(`is there for the first request, over ${transport}`, async () => {
      await using api = await startWorkloadApi();
      await api.setEntry({ svids: [{ spiffeId: web }] });
      await using server = await startMutualTls(await api.issue('own.test', { spiffeId: orders }));
      await using mesh = await meshOn(api[transport], server.address, orders);
      assert.equal(await (await mesh.fetch('http://orders/')).text(), 'ok');
      assert.equal(server.latestClient(), `URI:${web}`);
      const [call] = await api.calls();
      assert.deepEqual(call, { number: 1, method: 'FetchX509SVID', headers: ['true'] });
      const identity = mesh.status().identities.find(({ name }) => name === 'spiffe');
      assert.equal(identity?.svid?.spiffeId, web);
      assert.equal(identity?.trustBundle?.trustDomain, 'own.test');
    });

  it('is found by the variable SPIFFE_ENDPOINT_SOCKET', async () => {
    await using api = await startWorkloadApi();
    await api.setEntry({ svids: [{ spiffeId: web }] });
    await using server = await startMutualTls(await api.issue('own.test', { spiffeId: orders }));
    process.env['SPIFFE_ENDPOINT_SOCKET'] = api.unix;
    try {
      await using mesh = await createMesh({ controlPlane: [ordersAt(server.address, [orders]), 'spiffe:'] });
      await mesh.ready();
      assert.equal((await mesh.fetch('http://orders/')).status, 200);
    } finally {
      delete process.env['SPIFFE_ENDPOINT_SOCKET'];
    }
  });

  it('is chosen by its hint, and each SVID has its SPIFFE ID as a name', async () => {
    await using api = await startWorkloadApi();
    const admin = 'spiffe://own.test/admin';
    await api.setEntry({ svids: [{ spiffeId: web }, { spiffeId: admin, hint: 'internal' }] });
    await using server = await startMutualTls(await api.issue('own.test', { spiffeId: orders }));
    const asked = async (identity: string): Promise<string | undefined> => {
      await using mesh = await createMesh({
        controlPlane: [
          ordersAt(server.address, [orders], identity),
          spiffeControlPlane({ endpoint: api.unix, hint: 'internal' }),
        ],
      });
      assert.equal((await mesh.fetch('http://orders/')).status, 200);
      return server.latestClient();
    };
    assert.equal(await asked('spiffe'), `URI:${admin}`);
    assert.equal(await asked(web), `URI:${web}`);
  });

  it('serves what follows when its entry is made later, without a restart', async () => {
    await using api = await startWorkloadApi();
    await using server = await startMutualTls(await api.issue('own.test', { spiffeId: orders }));
    await using mesh = await meshOn(api.unix, server.address, orders);
    const denied = await statusWhere(mesh, ({ state }) => state === 'disconnected');
    assert.match(denied.error!, /PERMISSION_DENIED: no identity issued; .*make an entry for it/);
    await assert.rejects(mesh.fetch('http://orders/'), (error: Error) => {
      assert.match((error.cause as Error).message, /PERMISSION_DENIED/);
      return true;
    });
    await api.setEntry({ svids: [{ spiffeId: web }] });
    await mesh.ready();
    assert.equal((await mesh.fetch('http://orders/')).status, 200);
    const calls = await api.calls();
    assert.ok(calls.length <= 4, `linear back-off from 1 s, not ${calls.length} calls`);
  });

  it('comes back when the agent was not there at the start, and when it goes away and returns', async () => {
    const first = await startWorkloadApi();
    await first.kill();
    await using mesh = await createMesh({
      configTimeoutMs: 20_000,
      controlPlane: [ordersAt('127.0.0.1:1', [orders]), spiffeControlPlane({ endpoint: first.unix })],
    });
    const status = await statusWhere(mesh, ({ state }) => state === 'disconnected');
    assert.match(status.error!, /cannot be reached .*see that the agent runs/);
    const second = await startWorkloadApi(first);
    await second.setEntry({ svids: [{ spiffeId: web }] });
    await mesh.ready();
    await second.kill();
    await statusWhere(mesh, ({ state }) => state === 'disconnected');
    assert.equal(mesh.status().identities.find(({ name }) => name === 'spiffe')?.svid?.state, 'valid');
    await using third = await startWorkloadApi(first);
    await third.setEntry({ svids: [{ spiffeId: web }] });
    await statusWhere(mesh, ({ state }) => state === 'connected');
  });

  it('is taken away when the next message has it no more', async () => {
    await using api = await startWorkloadApi();
    const admin = 'spiffe://own.test/admin';
    await api.setEntry({ svids: [{ spiffeId: web }, { spiffeId: admin }] });
    await using server = await startMutualTls(await api.issue('own.test', { spiffeId: orders }));
    await using mesh = await meshOn(api.unix, server.address, orders);
    await mesh.ready();
    const names = (): string[] =>
      mesh
        .status()
        .identities.map(({ name }) => name)
        .toSorted();
    assert.deepEqual(names(), ['spiffe', admin, web]);
    await api.setEntry({ svids: [{ spiffeId: web }] });
    await until(() => !names().includes(admin));
    assert.deepEqual(names(), ['spiffe', web]);
  });

  it('is not asked for again where the server says that it never will be given', async () => {
    await using api = await startWorkloadApi();
    await api.deny({ code: 'INVALID_ARGUMENT', message: 'no such request' });
    const source = spiffeControlPlane({ endpoint: api.unix });
    const states: (string | undefined)[] = [];
    await assert.rejects(
      source.identity.run(
        {
          setSvid: () => ({ ok: true }),
          setTrustBundle: () => ({ ok: true }),
          remove: () => {},
          status: ({ state }) => states.push(state),
        },
        new AbortController().signal,
      ),
      (error) => error instanceof WorkloadApiError && error.isFinal && /not asked again/.test(error.message),
    );
    assert.deepEqual(states, ['connecting', 'failed']);
    assert.equal((await api.calls()).length, 1);
  });

  it('is refused by the server to a call without the header that it must have', async () => {
    await using api = await startWorkloadApi();
    await api.setEntry({ svids: [{ spiffeId: web }] });
    const connection = openGrpc({ address: api.unix.replace('unix://', 'unix:') });
    const ended = new Promise<GrpcError | undefined>((resolve) => {
      const stream = connection.stream('/SpiffeWorkloadAPI/FetchX509SVID', { onMessage: () => {}, onEnd: resolve });
      stream.send(new Uint8Array(0));
      stream.end();
    });
    const error = await ended;
    assert.equal(error?.codeName, 'INVALID_ARGUMENT');
    assert.match(error.details, /security header missing/);
    connection.close();
  });
});
