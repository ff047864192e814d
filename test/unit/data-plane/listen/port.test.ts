/** A port as a whole: whose connection it is behind a load balancer, how many it holds, how it closes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, describe, it, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { MeshError } from 'meshfetch';
import type { ListenOptions } from '../../../../src/data-plane/listen/listen-options.ts';
import type { MeshRequest } from '../../../../src/model/inbound.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../../src/security/certificate-authority.ts';
import { subscribe } from '../../../../src/telemetry/channels.ts';
import { testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { askHttp1, clientOptions, dial, listening, meshListener, readToEnd, type Listening } from '../../../support/listening.ts';
import { eventually } from '../../../support/mesh-of.ts';

let authority: CertificateAuthority;
let ours: IssuedCertificate;
let theirs: IssuedCertificate;
before(async () => {
  authority = await testAuthority();
  ours = await workloadCertificate(authority, 'server');
  theirs = await workloadCertificate(authority, 'client');
});

/** A port that answers with the address of the peer. */
function telling(t: TestContext, more: Partial<Parameters<typeof listening>[1]> = {}): Promise<Listening> {
  return listening(t, {
    authority,
    issued: ours,
    handler: (request, response) => void response.end((request as { mesh?: MeshRequest }).mesh!.peer.address),
    ...more,
  });
}

const line = 'PROXY TCP4 192.0.2.7 198.51.100.9 56789 443\r\n';
const request = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';

async function exchange(port: number, ...pieces: string[]): Promise<string> {
  const socket = await dial(port);
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise(setImmediate);
  }
  return readToEnd(socket);
}

describe('a port behind a load balancer', () => {
  const proxyProtocol = { from: ['127.0.0.0/8'] };

  it('knows the client by the PROXY header, in one piece with the request, by itself, or byte by byte', async (t) => {
    const { port } = await telling(t, { options: { proxyProtocol } });
    for (const pieces of [[line + request], [line, request], [...line.split(''), request]]) {
      assert.match(await exchange(port, ...pieces), /200 OK[^]*192\.0\.2\.7$/);
    }
  });

  it('reads TLS after the header', async (t) => {
    const { port } = await telling(t, { options: { proxyProtocol, mode: 'strict' } });
    const below = await dial(port);
    below.write(line);
    const socket = connectTls({ ...clientOptions(authority, theirs), socket: below, ALPNProtocols: ['http/1.1'] });
    await once(socket, 'secureConnect');
    socket.write(request);
    assert.match(await readToEnd(socket), /192\.0\.2\.7$/);
  });

  it('serves who sends none, unless it is required', async (t) => {
    const { port, apply, refusal } = await telling(t, { listeners: [meshListener({ proxyProtocol })] });
    assert.match(await exchange(port, request), /127\.0\.0\.1$/);
    await apply(meshListener({ proxyProtocol: { ...proxyProtocol, isRequired: true } }));
    assert.equal(await exchange(port, request), '');
    assert.equal((await refusal()).reason, 'proxy_header_missing');
    assert.match(await exchange(port, line + request), /192\.0\.2\.7$/);
  });

  it('keeps its own address where the load balancer speaks for itself', async (t) => {
    const { port } = await telling(t, { options: { proxyProtocol } });
    assert.match(await exchange(port, `PROXY UNKNOWN\r\n${request}`), /127\.0\.0\.1$/);
  });

  it('closes a header that cannot be used', async (t) => {
    const { port, refusal } = await telling(t, { options: { proxyProtocol } });
    assert.equal(await exchange(port, `PROXY TCP4 nobody 198.51.100.9 1 2\r\n${request}`), '');
    const { reason, detail } = await refusal();
    assert.equal(reason, 'proxy_header_invalid');
    assert.match(detail!, /its addresses are not those of TCP4/);
  });

  it('believes nobody from other networks: the header is a bad request', async (t) => {
    const { port } = await telling(t, { options: { proxyProtocol: { from: ['192.0.2.0/24'] } } });
    assert.match(await exchange(port, line + request), /^HTTP\/1\.1 400 /);
  });
});

describe('a port that closes', () => {
  it('says that it is not ready, lets requests end, and is gone', async (t) => {
    let answer: (() => void) | undefined;
    const port = await listening(t, {
      authority,
      issued: ours,
      options: { readyPath: '/ready', drainTimeoutMs: 10_000, drainDelayMs: 50 },
      handler: (_request, response) => (answer = () => response.end('ok')),
    });
    const told: string[] = [];
    const ends = (['inbound:draining', 'inbound:closed'] as const).map((name) =>
      subscribe(name, (event) => event.port === port.port && told.push(`${name} ${event.requests}`)),
    );
    assert.equal((await askHttp1(port.port, { path: '/ready' })).status, 200);
    const reply = askHttp1(port.port, { tls: clientOptions(authority, theirs) });
    await eventually('the request is under way', () => answer !== undefined);
    const closing = port.server.close();
    assert.equal((await askHttp1(port.port, { path: '/ready' })).status, 503);
    await eventually('it takes no more connections', () => told.length > 0);
    setTimeout(() => answer!(), 100);
    assert.deepEqual([(await reply).status, (await reply).headers.connection], [200, 'close']);
    await closing;
    for (const end of ends) end();
    assert.deepEqual(told, ['inbound:draining 1', 'inbound:closed 0']);
    await assert.rejects(askHttp1(port.port), { code: 'ECONNREFUSED' });
  });

  it('cuts what is left when its time is over, with the mesh too', async (t) => {
    const port = await listening(t, { options: { drainTimeoutMs: 60_000 }, handler: () => {} });
    const reply = askHttp1(port.port).then(
      () => 'answered',
      (error: NodeJS.ErrnoException) => error.code!,
    );
    await eventually('the request is under way', () => port.mesh.status() !== undefined);
    // The mesh of the test gives no time at all.
    await port.mesh.close();
    assert.match(await reply, /ECONNRESET|ECONNREFUSED/);
    await assert.rejects(
      port.mesh.listen(() => {}, { port: 0 }),
      (error) => error instanceof MeshError && error.code === 'MESH_CLOSED',
    );
  });
});

describe('what a port is opened with', () => {
  const wrong: readonly (readonly [name: string, options: unknown, says: RegExp])[] = [
    ['no-port', {}, /"port" must be a whole number from 0 to 65535/],
    ['port-too-large', { port: 65_536 }, /"port" must be/],
    ['policy-port-zero', { port: 0, policyPort: 0 }, /"policyPort" must be a whole number from 1/],
    ['mode', { port: 0, mode: 'Strict' }, /"mode" must be one of "disabled", "permissive", "strict"/],
    ['http2', { port: 0, http2: true }, /"http2" must be one of/],
    ['ready-path', { port: 0, readyPath: 'ready' }, /"readyPath" must be a path such as/],
    ['plaintext-path', { port: 0, plaintextPaths: ['/a?b'] }, /"plaintextPaths" must be a path/],
    ['drain', { port: 0, drainTimeoutMs: -1 }, /"drainTimeoutMs" must be milliseconds/],
    ['proxy', { port: 0, proxyProtocol: { from: ['10.0.0.0/33'] } }, /is no CIDR/],
    ['limit', { port: 0, limits: { maxConnections: Number.NaN } }, /"limits.maxConnections" must be a number/],
    ['upgrade', { port: 0, upgrade: true }, /"upgrade" must be a function/],
  ];
  for (const [name, options, says] of wrong) {
    it(`refuses ${name}`, async (t) => {
      const { mesh } = await listening(t);
      await assert.rejects(
        mesh.listen(() => {}, options as ListenOptions),
        says,
      );
    });
  }

  it('refuses what is no handler, and a port that is taken', async (t) => {
    const { mesh, port } = await listening(t);
    await assert.rejects(mesh.listen({} as never, { port: 0 }), /first argument must be a function/);
    await assert.rejects(
      mesh.listen(() => {}, { port, host: '127.0.0.1' }),
      { code: 'EADDRINUSE' },
    );
  });

  it('binds every address of the machine by default', async (t) => {
    const { mesh } = await listening(t);
    const server = await mesh.listen((_request, response) => void response.end('ok'), { port: 0 });
    assert.equal((await askHttp1(server.port)).body, 'ok');
    await server[Symbol.asyncDispose]();
  });
});
