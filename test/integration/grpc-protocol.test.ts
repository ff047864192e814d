/** gRPC requests get HTTP/2, whatever their cluster speaks; and nothing but the policy limits their time. */
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { describe, it } from 'node:test';
import { createMesh, isMeshError, type MeshError } from 'meshfetch';
import { request } from 'undici';
import type { UpstreamProtocol } from '../../src/model/cluster.ts';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { clusterPlane } from '../support/cluster-plane.ts';
import { answerWith, beginAnswer, call, startH2c, type GrpcExchange } from '../support/grpc-exchange.ts';
import { eventually } from '../support/mesh-of.ts';
import { startHttp2, temporaryFolder } from '../support/secured.ts';
import { startServer, startTcpServer } from '../support/servers.ts';

const authority = await testAuthority();
const issued = await workloadCertificate(authority, 'orders');
const identity = await writeIdentityFiles(await temporaryFolder(), 'web', await workloadCertificate(authority, 'web'), authority);

async function failureOf(exchange: GrpcExchange): Promise<MeshError> {
  const error = await exchange.end.promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.ok(isMeshError(error), String(error));
  return error;
}

describe('a gRPC request', () => {
  for (const protocol of [undefined, 'auto', 'same-as-request', 'http2'] as (UpstreamProtocol | undefined)[])
    it(`gets HTTP/2 in plaintext where the protocol of its cluster is ${protocol}`, async () => {
      const server = await startH2c((stream) => answerWith(stream, ['hi']));
      await using mesh = await clusterPlane([server.address], protocol === undefined ? {} : { protocol });
      const exchange = call(mesh);
      assert.equal(await exchange.end.promise, '0');
      assert.deepEqual(exchange.events, ['head 200', 'data 7', 'end 0']);
      assert.equal(server.sessions.length, 1);
    });

  for (const { name, start, says } of [
    {
      name: 'http1',
      start: () => startServer((_incoming, response) => response.end('hi')),
      says: /answered with something else than HTTP\/2/,
    },
    { name: 'tls', start: () => startHttp2(issued, () => {}), says: /ended the connection before a frame of HTTP\/2/ },
    { name: 'closed-at-once', start: () => startTcpServer((socket) => socket.destroy()), says: /before a frame of HTTP\/2/ },
  ])
    it(`says of an endpoint that speaks another protocol what it may want: ${name}`, async () => {
      const server = await start();
      await using mesh = await clusterPlane([server.address], {});
      const { message, remedy } = await failureOf(call(mesh));
      assert.match(message, says);
      assert.match(message, new RegExp(server.address));
      assert.match(remedy, /Check the port.*set `tls` for "orders".*no gRPC/);
    });

  it('says of an endpoint of HTTP/2 whose stream broke that it broke, and nothing of protocols', async () => {
    const server = await startH2c((stream) => stream.session!.destroy());
    await using mesh = await clusterPlane([server.address], {});
    const { message, remedy } = await failureOf(call(mesh));
    assert.doesNotMatch(`${message} ${remedy}`, /plaintext|TLS/);
  });

  it('gets HTTP/2 over TLS from a server that would rather speak HTTP/1.1, beside requests that do', async () => {
    const versions: string[] = [];
    const server = await startHttp2(
      issued,
      (incoming, response) => {
        versions.push(`${incoming.httpVersion} ${incoming.method}`);
        response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '0' });
        response.end();
      },
      { allowHTTP1: true },
    );
    await using mesh = await createMesh({
      controlPlane: {
        identity,
        services: { orders: { endpoints: [server.address], tls: { mode: 'simple', peers: ['spiffe://example.org/orders'] } } },
      } as never,
      drainTimeoutMs: 100,
    });
    assert.equal(await call(mesh).end.promise, '0');
    assert.deepEqual(versions, ['2.0 POST']);
  });

  it('fails with a remedy where its cluster is told to speak HTTP/1.1, and nobody is asked', async () => {
    const server = await startServer((_incoming, response) => response.end('ok'));
    await using mesh = await clusterPlane([server.address], { protocol: 'http1' });
    const error = await failureOf(call(mesh));
    assert.equal(error.code, 'MESH_REQUEST_INVALID');
    assert.match(error.message, /needs HTTP\/2.*"orders" is configured to speak HTTP\/1\.1/);
    assert.match(error.remedy, /protocol: http2/);
    assert.equal(server.requests.length, 0);
    // Others are served.
    const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
    assert.equal(await response.body.text(), 'ok');
  });

  it('does not share the HTTP/1.1 connections of other requests to the same endpoint', async () => {
    const server = await startH2c((stream) => answerWith(stream, ['hi']));
    await using mesh = await clusterPlane([server.address], { protocol: 'auto' });
    await call(mesh).end.promise;
    await call(mesh).end.promise;
    assert.equal(server.sessions.length, 1);
    const status = mesh.status().clusters.find(({ name }) => name === 'orders')!;
    assert.equal(status.endpoints[0]!.connections, 1);
  });

  it('leaves no connection when the mesh is closed', async () => {
    const server = await startH2c((stream) => answerWith(stream, ['hi']));
    const mesh = await clusterPlane([server.address], { protocol: 'auto' });
    await call(mesh).end.promise;
    await mesh.close();
    await eventually('all are closed', () => server.sessions.every(({ closed, destroyed }) => closed || destroyed));
  });
});

describe('a request that needs', () => {
  it('HTTP/2 gets it without being gRPC', async () => {
    const server = await startH2c((stream) => answerWith(stream, []));
    await using mesh = await clusterPlane([server.address], {});
    const exchange = call(mesh, { headers: { 'content-type': 'application/connect+proto' }, needsHttp2: true });
    assert.equal(await exchange.end.promise, '0');
  });

  it('TLS fails at an endpoint that is spoken to in plaintext, and its credentials do not leave', async () => {
    const server = await startH2c((stream) => answerWith(stream, ['hi']));
    await using mesh = await clusterPlane([server.address], { protocol: 'http2' });
    const error = await failureOf(call(mesh, { requiresTls: true, headers: { authorization: 'Bearer secret' } }));
    assert.equal(error.code, 'MESH_REQUEST_INVALID');
    assert.match(error.message, /in plaintext; nothing was sent/);
    assert.equal(server.streams.length, 0);
    assert.equal(mesh.status().clusters[0]!.requestsInFlight, 0);
  });
});

describe('a stream that is silent', () => {
  it('has no timer of the transport: none of 300 s for its head, nor between its parts', async () => {
    const probe = await startH2c((stream) => answerWith(stream, []));
    const session = connect(`http://${probe.address}`);
    const pending = session.request({ ':path': '/' }).on('error', () => {});
    const prototype = Object.getPrototypeOf(Object.getPrototypeOf(pending)) as {
      setTimeout: (this: unknown, ms: number, ...rest: unknown[]) => unknown;
    };
    session.destroy();
    const { setTimeout: original } = prototype;
    const asked: number[] = [];
    prototype.setTimeout = function (this: unknown, ms: number, ...rest: unknown[]): unknown {
      asked.push(ms);
      return Reflect.apply(original, this, [ms, ...rest]);
    };
    try {
      const server = await startH2c((stream) => beginAnswer(stream));
      await using mesh = await clusterPlane([server.address], { protocol: 'http2' });
      const exchange = call(mesh);
      await exchange.head.promise;
      server.streams[0]!.stream.end();
      assert.equal(await exchange.end.promise, '0');
      const own = call(mesh, { bodyTimeout: 50_000 });
      await own.head.promise;
      server.streams[1]!.stream.end();
      await own.end.promise;
    } finally {
      prototype.setTimeout = original;
    }
    // What the caller asks for itself is still set.
    assert.deepEqual(
      asked.filter((ms) => ms > 0),
      [50_000],
    );
  });
});
