import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import { withRequestContext, type Mesh } from 'meshfetch';
import { installGrpc, meshErrorOf } from 'meshfetch/grpc';
import { EchoService, startEcho, type EchoClient, type EchoServer } from '../../../contract/grpc/echo-service.ts';
import { meshOf } from '../../../support/mesh-of.ts';

function ask(client: EchoClient, metadata = new Metadata()): Promise<string> {
  return new Promise((resolve) => {
    client.unary(Buffer.from('hello'), metadata, { deadline: Date.now() + 10_000 }, (error, answer) => {
      resolve(error === null ? answer!.toString() : `${error.code} ${meshErrorOf(error)?.code ?? error.details}`);
    });
  });
}

describe('ordinary targets of grpc-js, of a program that knows nothing of a mesh', () => {
  let server: EchoServer;
  let mesh: Mesh;
  before(async () => {
    server = await startEcho();
    mesh = await meshOf({ echo: { endpoints: [server.address] } });
  });
  after(async () => {
    await mesh.close();
    server.close();
  });

  /** A client of its own channel, with the mesh installed until the test is over; and what the mesh was asked. */
  function clientOf(
    t: TestContext,
    target: string,
    takes: (origin: string) => boolean | Promise<boolean>,
    options: grpc.ChannelOptions = {},
  ): { client: EchoClient; asked: string[] } {
    const asked: string[] = [];
    const installed = installGrpc(grpc, mesh, {
      takes(origin) {
        asked.push(origin);
        return takes(origin);
      },
    });
    const client = new EchoService(target, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0, ...options });
    t.after(() => {
      client.close();
      installed.uninstall();
    });
    return { client, asked };
  }

  const rows = [
    { name: 'host-and-port', target: 'echo:50051', origin: 'http://echo:50051' },
    { name: 'host-alone', target: 'echo', origin: 'http://echo:443' },
    { name: 'scheme', target: 'dns:echo:81', origin: 'http://echo:81' },
    { name: 'scheme-and-server-of-names', target: 'dns://127.0.0.53/echo:81', origin: 'http://echo:81' },
  ];
  for (const { name, target, origin } of rows)
    it(`go to the mesh where it serves the host: ${name}`, async (t) => {
      const { client, asked } = clientOf(t, target, () => true);
      assert.equal(await ask(client), 'hello');
      assert.deepEqual(asked, [origin]);
    });

  it('stay with grpc-js where no mesh serves the host', async (t) => {
    const { client, asked } = clientOf(t, `localhost:${server.port}`, () => false, { 'grpc.enable_retries': 0 });
    assert.equal(await ask(client), 'hello');
    assert.equal(asked[0], `http://localhost:${server.port}`);
    const { client: nowhere } = clientOf(t, 'no-such-host.invalid:1', () => false);
    assert.match(await ask(nowhere), /^14 Name resolution failed for target dns:no-such-host\.invalid:1/);
  });

  it('are not asked about where they name an address of another kind', async (t) => {
    const { client, asked } = clientOf(t, `ipv4:127.0.0.1:${server.port}`, () => true);
    assert.equal(await ask(client), 'hello');
    assert.deepEqual(asked, []);
  });

  for (const [verdict, target] of [
    [true, 'echo:50051'],
    [false, 'localhost'],
  ] as const)
    it(`wait for a mesh that has to find out, which says ${verdict}`, async (t) => {
      const known = Promise.withResolvers<boolean>();
      const { client } = clientOf(t, verdict ? target : `${target}:${server.port}`, () => known.promise);
      const calls = Promise.all(Array.from({ length: 5 }, () => ask(client)));
      setTimeout(() => known.resolve(verdict), 20);
      assert.deepEqual(
        await calls,
        Array.from({ length: 5 }, () => 'hello'),
      );
      assert.equal(await ask(client), 'hello');
    });

  it('stay with grpc-js when the mesh cannot find out', async (t) => {
    const { client } = clientOf(t, `localhost:${server.port}`, () => Promise.reject(new Error('no')));
    assert.equal(await ask(client), 'hello');
  });

  it('keep the service configuration of the channel for calls that came while the mesh found out', async (t) => {
    const known = Promise.withResolvers<boolean>();
    const { client } = clientOf(t, `localhost:${server.port}`, () => known.promise, {
      'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{}], timeout: '0.05s' }], loadBalancingConfig: [] }),
    });
    const call = new Promise<number | undefined>((resolve) =>
      client.hang(Buffer.from('x'), new Metadata(), { deadline: Date.now() + 10_000 }, (error) => resolve(error?.code)),
    );
    setTimeout(() => known.resolve(false), 10);
    assert.equal(await call, status.DEADLINE_EXCEEDED);
  });

  it('give each call that waited the context of the request that it is made for', async (t) => {
    const known = Promise.withResolvers<boolean>();
    const { client } = clientOf(t, 'echo:50051', () => known.promise);
    server.metadata.length = 0;
    const calls = ['one', 'two', 'three'].map((name) =>
      withRequestContext({ isTrusted: true, headers: [['x-request-of', name]] }, () => {
        const metadata = new Metadata();
        metadata.set('x-name', name);
        return ask(client, metadata);
      }),
    );
    setTimeout(() => known.resolve(true), 10);
    await Promise.all(calls);
    const seen = server.metadata.map(
      (metadata) => `${String(metadata.get('x-name')[0])} ${String(metadata.get('x-request-of')[0])}`,
    );
    assert.deepEqual(seen.toSorted(), ['one one', 'three three', 'two two']);
  });

  it('end at their deadline while the mesh finds out, and when the client is closed', async (t) => {
    const { client } = clientOf(t, 'echo:50051', () => new Promise(() => {}));
    const late = await new Promise<number | undefined>((resolve) =>
      client.unary(Buffer.from('x'), new Metadata(), { deadline: Date.now() + 30 }, (error) => resolve(error?.code)),
    );
    assert.equal(late, status.DEADLINE_EXCEEDED);
    const closed = ask(client);
    setTimeout(() => client.close(), 10);
    assert.match(await closed, /^14 Channel closed/);
  });

  it('are asked about of the mesh that came last, then of the others', async (t) => {
    await using other = await meshOf({ elsewhere: { endpoints: [server.address] } }, { name: 'other' });
    const later = installGrpc(grpc, other, { takes: (origin) => Promise.resolve(origin === 'http://elsewhere:1') });
    t.after(() => later.uninstall());
    const { client } = clientOf(t, 'elsewhere:1', () => false);
    assert.equal(await ask(client), 'hello');
    const { client: ofFirst } = clientOf(t, 'echo:1', (origin) => origin === 'http://echo:1');
    assert.equal(await ask(ofFirst), 'hello');
  });

  it('are left alone once the mesh is uninstalled', async (t) => {
    const installed = installGrpc(grpc, mesh, { takes: () => true });
    installed.uninstall();
    const client = new EchoService(`localhost:${server.port}`, credentials.createInsecure());
    t.after(() => client.close());
    assert.equal(await ask(client), 'hello');
  });
});
