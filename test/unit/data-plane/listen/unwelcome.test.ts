/** Who is not, or not any more, welcome on a port: each of these got in, or stayed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { before, describe, it, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { createMesh } from 'meshfetch';
import type { InboundListenerConfig } from '../../../../src/model/listener.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../../src/security/certificate-authority.ts';
import { testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { TestControlPlane } from '../../../support/cluster-plane.ts';
import { policyOf, wayIn } from '../../../support/inbound.ts';
import {
  askHttp1,
  clientOptions,
  listening,
  meshListener,
  mutualChain,
  plaintextChain,
  type Listening,
} from '../../../support/listening.ts';
import { eventually } from '../../../support/mesh-of.ts';

let authority: CertificateAuthority;
let other: CertificateAuthority;
let ours: IssuedCertificate;
let theirs: IssuedCertificate;
before(async () => {
  authority = await testAuthority();
  other = await testAuthority('other CA');
  ours = await workloadCertificate(authority, 'server');
  theirs = await workloadCertificate(authority, 'client');
});

const noLoopback = policyOf('deny', [{ kind: 'any' }], {
  rules: [
    {
      name: 'loopback',
      principals: [{ kind: 'source-ip', which: 'connection', cidr: '127.0.0.0/8' }],
      permissions: [{ kind: 'any' }],
    },
  ],
});

/** Writes a request and resets the connection in one turn, so that the server hears of both at once. */
async function sendAndReset(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  socket.write('POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  socket.resetAndDestroy();
}

describe('a rule about addresses', () => {
  it('was side-stepped by a client that resets at once, since it has no address any more', async (t) => {
    let served = 0;
    const port = await listening(t, {
      handler: (_request, response) => void response.end(String((served += 1))),
      listeners: [meshListener({ filterChains: [plaintextChain({ authorization: [noLoopback] })] })],
    });
    for (let count = 0; count < 20; count += 1) await sendAndReset(port.port);
    assert.equal((await askHttp1(port.port)).status, 403);
    assert.equal(served, 0);
  });

  it('was side-stepped on servers of others, and so was the policy of their port', async (t) => {
    let served = 0;
    let came = 0;
    let asked = 0;
    const plane = new TestControlPlane();
    const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
    const door = mesh.inbound();
    const handler: RequestListener = (request, response) => {
      came += 1;
      // A middleware before the mesh's that waits: the client is gone when the mesh first looks.
      request.socket.once('close', () => {
        asked += 1;
        door.admit(request, response, (refusal) => {
          if (refusal === undefined) served += 1;
        });
      });
    };
    const server = createServer(handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(async () => {
      server.close();
      await mesh.close();
    });
    const { port } = server.address() as AddressInfo;
    await plane.deliver([wayIn({ authorization: [policyOf('deny', [{ kind: 'any' }])] }, { port })]);
    for (let count = 0; count < 20; count += 1) await sendAndReset(port);
    await eventually('requests come', () => came > 0);
    await eventually('their clients are gone', () => asked === came);
    assert.equal(served, 0);
    assert.deepEqual(mesh.status().inbound ?? [], []);
  });
});

const upgradeOf = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n`;

interface Upgraded extends Listening {
  readonly open: (socket: Socket, path?: string) => Promise<{ readonly head: string; readonly closed: Promise<unknown> }>;
}

async function upgrading(t: TestContext, ...listeners: InboundListenerConfig[]): Promise<Upgraded> {
  const port = await listening(t, {
    authority,
    issued: ours,
    listeners,
    options: {
      upgrade: (_request, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
        socket.resume();
      },
    },
  });
  return {
    ...port,
    open: async (socket, path = '/') => {
      t.after(() => socket.destroy());
      socket.on('error', () => {});
      const closed = once(socket, 'close');
      socket.write(upgradeOf(path));
      const [head] = (await once(socket, 'data')) as [Buffer];
      return { head: head.toString('latin1'), closed };
    },
  };
}

const securely = (port: number): Socket => connectTls({ ...clientOptions(authority, theirs), ALPNProtocols: ['http/1.1'], port });

describe('a path that is served in plaintext under strict', () => {
  it('gave an upgrade the whole connection, without a certificate', async (t) => {
    const port = await upgrading(t, meshListener({ mode: 'strict', plaintextPaths: ['/metrics'] }));
    assert.equal((await askHttp1(port.port, { path: '/metrics' })).status, 200);
    assert.match((await port.open(connect(port.port, '127.0.0.1'), '/metrics')).head, /^HTTP\/1\.1 403 /);
    assert.match((await port.open(securely(port.port), '/metrics')).head, /^HTTP\/1\.1 101 /);
  });
});

describe('a connection that has left HTTP', () => {
  it('outlived the welcome of its peer', async (t) => {
    const peers = (path: string) => [{ kind: 'uri', match: 'exact', value: `spiffe://example.org/${path}` }] as const;
    const of = (path: string) => meshListener({ mode: 'strict', filterChains: [mutualChain({}, { peers: peers(path) })] });
    const port = await upgrading(t, of('client'));
    const { head, closed } = await port.open(securely(port.port));
    assert.match(head, /^HTTP\/1\.1 101 /);
    await port.apply(of('somebody-else'));
    await closed;
  });

  it('outlived the end of plaintext', async (t) => {
    const port = await upgrading(t, meshListener());
    const { head, closed } = await port.open(connect(port.port, '127.0.0.1'));
    assert.match(head, /^HTTP\/1\.1 101 /);
    await port.apply(meshListener({ mode: 'strict' }));
    await closed;
  });
});

describe('a connection whose certificate was verified by a trust bundle', () => {
  it('was served on when its chain named another bundle', async (t) => {
    const of = (trust: string) => meshListener({ mode: 'strict', filterChains: [mutualChain({}, { trust })] });
    const port = await listening(t, { authority, issued: ours });
    port.identities.setTrustBundle({ name: 'same', certificates: authority.certificate + other.certificate });
    port.identities.setTrustBundle({ name: 'other', certificates: other.certificate });
    await port.apply(of('default'));
    const socket = securely(port.port).on('error', () => {});
    t.after(() => socket.destroy());
    const closed = once(socket, 'close');
    const ask = async (): Promise<string> => {
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      return String(((await once(socket, 'data')) as [Buffer])[0]);
    };
    assert.match(await ask(), /^HTTP\/1\.1 200 /);
    await port.apply(of('same'));
    assert.match(await ask(), /^HTTP\/1\.1 200 [^]*keep-alive/);
    await port.apply(of('other'));
    await closed;
  });

  it('was served for as long as its peer drew a response out', async (t) => {
    const port = await listening(t, {
      authority,
      issued: ours,
      options: { mode: 'strict', drainTimeoutMs: 30 },
      handler: (_request, response) => void response.write('begun'),
    });
    const socket = securely(port.port).on('error', () => {});
    t.after(() => socket.destroy());
    const closed = once(socket, 'close');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    port.identities.setTrustBundle({ name: 'default', certificates: other.certificate });
    await closed;
  });
});
