import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, mkdir, writeFile, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type CallCredentials, credentials, Metadata, ServerCredentials, status, type ServiceError } from '@grpc/grpc-js';
import * as grpc from '@grpc/grpc-js';
import { createMesh, withRequestContext, type Mesh } from 'meshfetch';
import { installGrpc, meshChannelCredentials, meshErrorOf } from 'meshfetch/grpc';
import { EchoService, startEcho, type EchoClient, type EchoServer } from '../../../contract/grpc/echo-service.ts';
import { watch } from '../../../contract/grpc/watch-call.ts';
import { answerWith, beginAnswer, framed, startH2c } from '../../../support/grpc-exchange.ts';
import { serverKeyPair, testAuthority, workloadCertificate, writeIdentityFiles } from '../../../support/certificates.ts';
import { eventually, held, meshOf } from '../../../support/mesh-of.ts';
import { temporaryFolder } from '../../../support/secured.ts';

interface Answer {
  readonly text: string | undefined;
  readonly error: ServiceError | undefined;
  readonly peer: string;
  readonly auth: object | null;
}

function ask(client: EchoClient, metadata = new Metadata(), options: grpc.CallOptions = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const call = client.unary(Buffer.from('hello'), metadata, options, (error, answer) => {
      resolve({ text: answer?.toString(), error: error ?? undefined, peer: call.getPeer(), auth: call.getAuthContext() });
    });
  });
}

/** A client that is closed after the test. */
function clientOf(t: TestContext, ...made: ConstructorParameters<typeof EchoService>): EchoClient {
  const client = new EchoService(...made);
  t.after(() => client.close());
  return client;
}

/** Resolves when a number has not changed for a while in which it could have. */
async function standstill(read: () => number): Promise<void> {
  for (let same = 0, before = read(); same < 20; same = read() === before ? same + 1 : 0) {
    before = read();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function bearer(): CallCredentials {
  return credentials.createFromMetadataGenerator((_options, done) => {
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer secret');
    done(null, metadata);
  });
}

describe('a channel on the mesh', () => {
  let server: EchoServer;
  let mesh: Mesh;
  before(async () => {
    server = await startEcho();
    mesh = await meshOf({
      echo: { endpoints: [server.address] },
      nobody: { endpoints: ['127.0.0.1:1'] },
      old: { endpoints: [server.address], protocol: 'http1' },
    });
  });
  after(async () => {
    await mesh.close();
    server.close();
  });

  for (const target of ['mesh:///echo', 'mesh:///echo:50051', 'mesh:echo', 'mesh://mesh/echo'])
    it(`reaches a service by ${target}`, async (t) => {
      const { text } = await ask(clientOf(t, target, meshChannelCredentials(mesh)));
      assert.equal(text, 'hello');
    });

  it('tells the endpoint of a call as its peer', async (t) => {
    const { peer, auth } = await ask(clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh)));
    assert.equal(peer, server.address);
    assert.deepEqual(auth, {});
  });

  for (const target of [
    'mesh:///',
    'mesh://echo',
    'mesh:////echo',
    'mesh:///a/b',
    'mesh:///echo?x=1',
    'mesh:///user@echo',
    'mesh:///echo:port',
  ])
    it(`refuses ${target}, which names no service`, () => {
      assert.throws(() => new EchoService(target, meshChannelCredentials(mesh)), /mesh:\/\/\/service|Could not parse target/);
    });

  it('says of a host that nobody knows what to do, and keeps the error of the mesh', async (t) => {
    const { error } = await ask(clientOf(t, 'mesh:///no-such-host.invalid', meshChannelCredentials(mesh)));
    assert.equal(error?.code, status.UNAVAILABLE);
    assert.equal(meshErrorOf(error)?.code, 'MESH_DNS_FAILED');
    assert.match(meshErrorOf(error)!.remedy, /name/);
  });

  it('says that nobody listens', async (t) => {
    const { error } = await ask(clientOf(t, 'mesh:///nobody', meshChannelCredentials(mesh)));
    assert.equal(error?.code, status.UNAVAILABLE);
    assert.equal(meshErrorOf(error)?.code, 'MESH_CONNECT_FAILED');
    assert.equal(meshErrorOf(error)?.endpoint, '127.0.0.1:1');
  });

  it('refuses a service that speaks HTTP/1.1 by its configuration', async (t) => {
    const { error } = await ask(clientOf(t, 'mesh:///old', meshChannelCredentials(mesh)));
    assert.match(error!.details, /HTTP\/2/);
  });

  it('has no mesh error where the server answered', async (t) => {
    const client = clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh));
    const error = await new Promise<ServiceError | null>((resolve) => client.fail(Buffer.from('5 gone'), resolve));
    assert.equal(error?.code, 5);
    assert.equal(meshErrorOf(error), undefined);
    assert.equal(meshErrorOf(undefined), undefined);
    assert.equal(meshErrorOf(new Error()), undefined);
  });

  it('says whose mesh a target names when its credentials are of another', async (t) => {
    const { error } = await ask(clientOf(t, 'mesh://other/echo', meshChannelCredentials(mesh)));
    assert.equal(error?.code, status.UNAVAILABLE);
    assert.match(error.details, /names another mesh than the credentials of its channel, which are of "mesh"/);
  });

  it('finds the installed meshes by name, and the only one without, whatever the credentials are', async (t) => {
    const insecure = credentials.createInsecure();
    const none = await ask(clientOf(t, 'mesh:///echo', insecure));
    assert.match(none.error!.details, /no mesh is installed; make the channel with meshChannelCredentials\(mesh\)/);
    const first = installGrpc(grpc, mesh);
    t.after(() => first.uninstall());
    assert.equal((await ask(clientOf(t, 'mesh:///echo', insecure))).text, 'hello');
    await using other = await meshOf({}, { name: 'other' });
    const second = installGrpc(grpc, other);
    t.after(() => second.uninstall());
    assert.match((await ask(clientOf(t, 'mesh:///echo', insecure))).error!.details, /the installed ones are "mesh", "other"/);
    assert.equal((await ask(clientOf(t, 'mesh://mesh/echo', insecure))).text, 'hello');
  });

  it('is not taken over by a proxy in the environment', async (t) => {
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    t.after(() => delete process.env['http_proxy']);
    assert.equal((await ask(clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh)))).text, 'hello');
  });

  it('says that credentials of a mesh are for its targets', async (t) => {
    const client = clientOf(t, server.address, meshChannelCredentials(mesh), { 'grpc.enable_http_proxy': 0 });
    const { error } = await ask(client);
    assert.match(error!.details, /credentials of a mesh are for targets of the mesh: write mesh:\/\/\/service/);
  });

  it('sends another authority where a program asks for one', async (t) => {
    const front = await startH2c((stream) => answerWith(stream, ['hello']));
    await using alone = await meshOf({ echo: { endpoints: [front.address] } });
    const client = clientOf(t, 'mesh:///echo', meshChannelCredentials(alone), { 'grpc.default_authority': 'front.example' });
    assert.equal((await ask(client)).text, 'hello');
    assert.equal((await ask(client, new Metadata(), { host: 'other.example:1' })).text, 'hello');
    const plain = clientOf(t, 'mesh:///echo:81', meshChannelCredentials(alone));
    assert.equal((await ask(plain)).text, 'hello');
    assert.deepEqual(
      front.streams.map(({ headers }) => headers[':authority']),
      ['front.example', 'other.example:1', 'echo:81'],
    );
  });

  it('gives calls that are made at once the context of the request that each is made for', async (t) => {
    const client = clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh));
    server.metadata.length = 0;
    await Promise.all(
      ['one', 'two', 'three'].map((name) =>
        withRequestContext({ isTrusted: true, headers: [['x-request-of', name]] }, () => {
          const metadata = new Metadata();
          metadata.set('x-name', name);
          return ask(client, metadata);
        }),
      ),
    );
    const seen = server.metadata.map(
      (metadata) => `${String(metadata.get('x-name')[0])} ${String(metadata.get('x-request-of')[0])}`,
    );
    assert.deepEqual(seen.toSorted(), ['one one', 'three three', 'two two']);
  });

  it('waits with waitForReady until somebody can take the call, which is told what is left of its time', async (t) => {
    const later = await startEcho();
    const { port } = later;
    later.close();
    await using alone = await meshOf({ echo: { endpoints: [`127.0.0.1:${port}`] } });
    const client = clientOf(t, 'mesh:///echo', meshChannelCredentials(alone), { 'grpc.initial_reconnect_backoff_ms': 20 });
    let leftMs = Number.POSITIVE_INFINITY;
    const waiting = ask(client, new Metadata({ waitForReady: true }), { deadline: Date.now() + 20_000 });
    const { error } = await ask(client);
    assert.equal(error?.code, status.UNAVAILABLE);
    // So long does the first one wait too, at least.
    await ask(client, new Metadata({ waitForReady: true }), { deadline: Date.now() + 200 });
    const again = new grpc.Server();
    t.after(() => again.forceShutdown());
    again.register(
      '/test.Echo/Unary',
      (made: grpc.ServerUnaryCall<Buffer, Buffer>, done: (error: null, answer: Buffer) => void) => {
        leftMs = Number(made.getDeadline()) - Date.now();
        done(null, Buffer.from('at last'));
      },
      (b) => b,
      (b) => b,
      'unary',
    );
    await new Promise<void>((resolve, reject) =>
      again.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (failure) =>
        failure ? reject(failure) : resolve(),
      ),
    );
    assert.equal((await waiting).text, 'at last');
    assert.ok(leftMs <= 20_000 - 150, `${leftMs} ms`); // of 200 ms, some went before its first failure
  });

  it('ends a call that waits at its deadline, and holds nothing of it', async (t) => {
    const client = clientOf(t, 'mesh:///nobody', meshChannelCredentials(mesh));
    const { error } = await ask(client, new Metadata({ waitForReady: true }), { deadline: Date.now() + 60 });
    assert.equal(error?.code, status.DEADLINE_EXCEEDED);
    await eventually('nothing is held', () => held(mesh).requests === 0);
  });

  it('stops a program that writes faster than its server reads', async (t) => {
    // The server takes the stream and reads nothing of it.
    const silent = await startH2c((stream) => beginAnswer(stream));
    await using alone = await meshOf({ echo: { endpoints: [silent.address] } });
    const call = clientOf(t, 'mesh:///echo', meshChannelCredentials(alone)).chat();
    call.on('error', () => {});
    await once(call, 'metadata');
    const message = Buffer.alloc(50_000);
    let written = 0;
    const write = (): void => {
      while (written < 1000) {
        written++;
        if (!call.write(message)) break;
      }
    };
    call.on('drain', write);
    write();
    await standstill(() => written);
    assert.ok(written < 100, `${written} messages of 50 kB were taken`);
    call.cancel();
  });

  it('stops a server that writes faster than its program reads', async (t) => {
    const message = framed('x'.repeat(50_000));
    let written = 0;
    const busy = await startH2c((stream) => {
      beginAnswer(stream);
      const write = (): void => {
        while (written < 1000) {
          written++;
          if (!stream.write(message)) {
            stream.once('drain', write);
            return;
          }
        }
        stream.end();
      };
      write();
    });
    await using alone = await meshOf({ echo: { endpoints: [busy.address] } });
    const call = clientOf(t, 'mesh:///echo', meshChannelCredentials(alone)).down(Buffer.from('x'));
    await once(call, 'metadata');
    await standstill(() => written);
    assert.ok(written < 200, `${written} messages of 50 kB were sent`);
    let heard = 0;
    for await (const each of call as AsyncIterable<Buffer>) heard += each.length;
    assert.equal(heard, 50_000_000);
  });

  it('sends no length with a call, which a service would show as metadata', async (t) => {
    const client = clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh));
    const handedOn = new Metadata();
    handedOn.set('content-length', '3');
    assert.equal((await ask(client, handedOn)).text, 'hello');
    assert.deepEqual(server.metadata.at(-1)!.get('content-length'), []);
  });
});

describe('call credentials', () => {
  it('travel over TLS, whose certificate the program can see', async (t) => {
    const folder = await temporaryFolder();
    const authority = await testAuthority();
    const issued = await workloadCertificate(authority, 'echo');
    const { key, cert } = serverKeyPair(issued);
    const secured = await startEcho(
      ServerCredentials.createSsl(
        Buffer.from(authority.certificate),
        [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }],
        true,
      ),
    );
    t.after(() => secured.close());
    const identity = await writeIdentityFiles(folder, 'web', await workloadCertificate(authority, 'web'), authority);
    await using mesh = await createMesh({
      controlPlane: {
        identity,
        services: {
          echo: { endpoints: [secured.address], tls: { mode: 'mutual', peers: ['spiffe://example.org/echo'] } },
        },
      } as never,
      drainTimeoutMs: 100,
    });
    const ofChannel = clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh).compose(bearer()));
    const { text, auth } = await ask(ofChannel);
    assert.equal(text, 'hello');
    assert.deepEqual(secured.metadata.at(-1)!.get('authorization'), ['Bearer secret']);
    assert.equal((auth as { transportSecurityType: string }).transportSecurityType, 'ssl');
    assert.match(
      (auth as { sslPeerCertificate: { subjectaltname: string } }).sslPeerCertificate.subjectaltname,
      /spiffe:\/\/example.org\/echo/,
    );
    const ofCall = clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh));
    assert.equal((await ask(ofCall, new Metadata(), { credentials: bearer() })).text, 'hello');
  });

  it('never travel in plaintext', async (t) => {
    const server = await startEcho();
    t.after(() => server.close());
    await using mesh = await meshOf({ echo: { endpoints: [server.address] } });
    const ofChannel = clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh).compose(bearer()));
    const ofCall = clientOf(t, 'mesh:///echo', meshChannelCredentials(mesh));
    const answers = [await ask(ofChannel), await ask(ofCall, new Metadata(), { credentials: bearer() })];
    for (const { error } of answers) {
      assert.equal(error?.code, status.UNAUTHENTICATED);
      assert.match(error.details, /credentials that need TLS/);
    }
    assert.equal(server.metadata.length, 0, 'nothing was sent');
    assert.equal((await ask(ofCall)).text, 'hello', 'calls without them go on');
  });

  it('travel in plaintext where the program has asked for an insecure channel, as grpc-js does', async (t) => {
    const server = await startEcho();
    t.after(() => server.close());
    await using mesh = await meshOf({ echo: { endpoints: [server.address] } });
    const installed = installGrpc(grpc, mesh);
    t.after(() => installed.uninstall());
    const client = clientOf(t, 'mesh:///echo', credentials.createInsecure());
    assert.equal((await ask(client, new Metadata(), { credentials: bearer() })).text, 'hello');
  });

  it('of a channel that the program secures by itself need TLS, and so do its calls', async (t) => {
    const server = await startEcho();
    t.after(() => server.close());
    await using mesh = await meshOf({ echo: { endpoints: [server.address] } });
    const installed = installGrpc(grpc, mesh);
    t.after(() => installed.uninstall());
    const { error } = await ask(clientOf(t, 'mesh:///echo', credentials.createSsl()));
    assert.equal(error?.code, status.UNAVAILABLE);
    assert.equal(meshErrorOf(error)?.code, 'MESH_TLS_FAILED');
    assert.equal(server.metadata.length, 0);
  });
});

describe('copies and versions of grpc-js', () => {
  const require = createRequire(import.meta.url);

  /** Another copy of the package, whose package.json says this version. */
  async function copyOf(version: string): Promise<typeof grpc> {
    const folder = join(await temporaryFolder(), 'node_modules/@grpc/grpc-js');
    const original = join(require.resolve('@grpc/grpc-js'), '../../..');
    await mkdir(folder, { recursive: true });
    await cp(join(original, 'build'), join(folder, 'build'), { recursive: true });
    const manifest = JSON.parse(await readFile(join(original, 'package.json'), 'utf8')) as object;
    await writeFile(join(folder, 'package.json'), JSON.stringify({ ...manifest, version }));
    await cp(join(original, 'node_modules'), join(folder, 'node_modules'), { recursive: true, force: true }).catch(() => {});
    const found = createRequire(join(original, 'package.json'));
    for (const name of ['@grpc/proto-loader', '@js-sdsl/ordered-map']) {
      const from = found.resolve(`${name}/package.json`);
      await cp(join(from, '..'), join(folder, 'node_modules', name), { recursive: true }).catch(() => {});
    }
    return require(join(folder, 'build/src/index.js')) as typeof grpc;
  }

  it('one is refused whose version was not tested, with what to install', async () => {
    const other = await copyOf('1.13.0');
    await using mesh = await meshOf({});
    assert.throws(
      () => meshChannelCredentials(mesh, { grpc: other }),
      /@grpc\/grpc-js 1\.13\.0 is no @grpc\/grpc-js 1\.14.*npm install @grpc\/grpc-js@1\.14/,
    );
    assert.throws(() => meshChannelCredentials(mesh, { grpc: {} as typeof grpc }), RangeError);
    assert.throws(() => installGrpc({} as typeof grpc, mesh), /is no @grpc\/grpc-js 1\.14/);
  });

  it('one is refused that lacks what is needed, where nothing tells its version', async () => {
    const old = { ...grpc.experimental, statusOrFromValue: undefined } as never;
    const bundled = { ...grpc, ChannelCredentials: (() => {}) as never, experimental: old };
    await using mesh = await meshOf({});
    assert.throws(
      () => meshChannelCredentials(mesh, { grpc: bundled }),
      /^RangeError: What was passed as `grpc` is no @grpc\/grpc-js 1\.14/,
    );
  });

  it('with a second one loaded it must be said which is meant', async (t) => {
    const other = await copyOf('1.14.3');
    const server = await startEcho();
    t.after(() => server.close());
    await using mesh = await meshOf({ echo: { endpoints: [server.address] } });
    assert.throws(
      () => meshChannelCredentials(mesh),
      /more than one copy.*1\.14\.3 at .*meshChannelCredentials\(mesh, \{ grpc \}\)/,
    );
    const { definition } = await import('../../../contract/grpc/echo-service.ts');
    const Service = other.makeGenericClientConstructor(definition, 'test.Echo') as unknown as typeof EchoService;
    const client = new Service('mesh:///echo', meshChannelCredentials(mesh, { grpc: other }));
    t.after(() => client.close());
    const answer = await new Promise<string | undefined>((resolve) =>
      client.unary(Buffer.from('copy'), (_error, bytes) => resolve(bytes?.toString())),
    );
    assert.equal(answer, 'copy');
    assert.equal((await watch(client.down(Buffer.from('2 3'))).over).messages.length, 2);
  });
});
