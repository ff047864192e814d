import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { GrpcError, openGrpc, type GrpcTarget } from '../../../src/wire/grpc-client.ts';
import { serverKeyPair, testAuthority, workloadCertificate } from '../../support/certificates.ts';
import { endWith, startGrpcServer, type GrpcMethods, type GrpcServerTls } from '../../support/grpc-server.ts';
import { startTcpServer } from '../../support/servers.ts';

const closing: (() => void)[] = [];
after(() => closing.forEach((close) => close()));

async function connected(methods: GrpcMethods, target: Partial<GrpcTarget> = {}, tls?: GrpcServerTls) {
  const server = await startGrpcServer(methods, tls);
  const connection = openGrpc({ address: server.address, ...target });
  closing.push(() => {
    connection.close();
    server.close();
  });
  return { server, connection };
}

const error = (code: string, details: RegExp) => (thrown: unknown) => {
  assert.ok(thrown instanceof GrpcError);
  assert.equal(thrown.codeName, code);
  assert.match(thrown.details, details);
  return true;
};

describe('a unary call', () => {
  it('carries bytes and metadata to the server and brings its bytes', async () => {
    const { connection } = await connected({
      unary: { '/a.B/C': (request, metadata) => Buffer.concat([request, Buffer.from(String(metadata.get('x-token')[0]))]) },
    });
    const answer = await connection.unary('/a.B/C', Uint8Array.of(0, 255, 7), { metadata: { 'x-token': 'abc' } });
    assert.deepEqual([...answer], [0, 255, 7, 97, 98, 99]);
  });

  it('rejects with the code, the words and the trailers of the server', async () => {
    const { connection } = await connected({
      unary: { '/a.B/C': () => ({ code: 7, details: 'authorization failed', metadata: { 'x-why': 'other namespace' } }) },
    });
    const failed: unknown = await connection.unary('/a.B/C', new Uint8Array()).catch((thrown: unknown) => thrown);
    assert.ok(failed instanceof GrpcError);
    assert.deepEqual(
      [failed.code, failed.message, failed.metadata('x-why'), failed.metadata('other')],
      [7, 'PERMISSION_DENIED: authorization failed', 'other namespace', undefined],
    );
  });

  it('ends at its deadline', async () => {
    const { connection } = await connected({ unary: { '/a.B/C': () => new Promise<Uint8Array>(() => {}) } });
    await assert.rejects(connection.unary('/a.B/C', new Uint8Array(), { timeoutMs: 50 }), error('DEADLINE_EXCEEDED', /./));
  });

  it('ends with its signal', async () => {
    const abort = new AbortController();
    const { connection } = await connected({
      unary: {
        '/a.B/C': () => {
          abort.abort();
          return new Promise<Uint8Array>(() => {});
        },
      },
    });
    await assert.rejects(connection.unary('/a.B/C', new Uint8Array(), { signal: abort.signal }), error('CANCELLED', /./));
  });

  it('is not made with a signal that was aborted before', async () => {
    const { connection } = await connected({ unary: { '/a.B/C': () => new Uint8Array() } });
    await assert.rejects(connection.unary('/a.B/C', new Uint8Array(), { signal: AbortSignal.abort() }), error('CANCELLED', /./));
  });

  it('names the system’s error where nobody listens, in words that do not change from one time to the next', async () => {
    const server = await startGrpcServer({});
    server.close();
    const words: string[] = [];
    for (let time = 0; time < 2; time++) {
      const connection = openGrpc({ address: server.address });
      const failed = (await connection.unary('/a.B/C', new Uint8Array()).catch((thrown: unknown) => thrown)) as GrpcError;
      connection.close();
      words.push(failed.message);
    }
    assert.match(words[0]!, /^UNAVAILABLE: no connection: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
    assert.equal(words[0], words[1]);
  });

  it('gives up a server that accepts and stays silent', async () => {
    const { address } = await startTcpServer(() => {});
    const connection = openGrpc({ address, connectTimeoutMs: 80 });
    closing.push(() => connection.close());
    const heard: string[] = [];
    const failed = await new Promise<GrpcError | undefined>((resolve) => {
      const stream = connection.stream('/a.B/C', { onOpen: () => heard.push('open'), onMessage: () => {}, onEnd: resolve });
      stream.send(new Uint8Array());
    });
    assert.match(failed?.message ?? '', /^UNAVAILABLE: no connection: .* did not answer within 80 ms$/);
    assert.deepEqual(heard, []);
  });

  it('never quotes metadata that no header can carry', async () => {
    const { connection } = await connected({});
    const call = connection.unary('/a.B/C', new Uint8Array(), { metadata: { authorization: 'Bearer s3cret\n' } });
    await assert.rejects(call, (thrown: Error) => /"authorization"/.test(thrown.message) && !thrown.message.includes('s3cret'));
  });

  it('says that a message is larger than the limit', async () => {
    const { connection } = await connected({ unary: { '/a.B/C': () => Buffer.alloc(2000) } }, { maxMessageBytes: 1000 });
    await assert.rejects(
      connection.unary('/a.B/C', new Uint8Array()),
      error('RESOURCE_EXHAUSTED', /larger than max \(2000 vs\.? 1000\)/),
    );
  });
});

describe('a stream', () => {
  it('carries messages both ways and tells that the server ended it well', async () => {
    const { connection } = await connected({
      stream: {
        '/a.B/S': (call) => {
          call.on('data', (message: Buffer) => {
            call.write(message);
            if (message[0] === 2) call.end();
          });
        },
      },
    });
    const received: number[] = [];
    const end = await new Promise((resolve) => {
      const stream = connection.stream('/a.B/S', { onMessage: (bytes) => received.push(...bytes), onEnd: resolve });
      stream.send(Uint8Array.of(1));
      stream.send(Uint8Array.of(2));
    });
    assert.deepEqual([received, end], [[1, 2], undefined]);
  });

  it('tells once that the connection stands, before anything comes back', async () => {
    const { connection } = await connected({ stream: { '/a.B/S': (call) => call.on('data', () => call.end()) } });
    const heard: string[] = [];
    await new Promise<void>((resolve) => {
      const stream = connection.stream('/a.B/S', {
        onOpen: () => heard.push('open'),
        onMessage: () => heard.push('message'),
        onEnd: () => {
          heard.push('end');
          resolve();
        },
      });
      stream.send(Uint8Array.of(1));
      stream.send(Uint8Array.of(2));
    });
    assert.deepEqual(heard, ['open', 'end']);
  });

  it('is not told to stand where nobody listens', async () => {
    const server = await startGrpcServer({});
    server.close();
    const connection = openGrpc({ address: server.address });
    const heard = await new Promise<string>((resolve) => {
      const stream = connection.stream('/a.B/S', {
        onOpen: () => resolve('open'),
        onMessage: () => {},
        onEnd: () => resolve('end'),
      });
      stream.send(Uint8Array.of(1));
    });
    connection.close();
    assert.equal(heard, 'end');
  });

  it('that ends on this side still takes what the server sends', async () => {
    const { connection } = await connected({
      stream: {
        '/a.B/S': (call) => {
          call.on('data', () => {});
          call.on('end', () => {
            call.write(Uint8Array.of(9));
            call.end();
          });
        },
      },
    });
    const received: number[] = [];
    const end = await new Promise((resolve) => {
      const stream = connection.stream('/a.B/S', { onMessage: (bytes) => received.push(...bytes), onEnd: resolve });
      stream.send(Uint8Array.of(1));
      stream.end();
    });
    assert.deepEqual([received, end], [[9], undefined]);
  });

  it('tells the error that the server ended it with', async () => {
    const { connection } = await connected({
      stream: { '/a.B/S': (call) => endWith(call, { code: 16, details: 'who are you' }) },
    });
    const end = await new Promise<GrpcError | undefined>((resolve) => {
      connection.stream('/a.B/S', { onMessage: () => {}, onEnd: resolve });
    });
    assert.equal(end?.message, 'UNAUTHENTICATED: who are you');
  });

  it('brings one message at a time to a reader that pauses, and all of them in order', async () => {
    const { connection } = await connected({
      stream: {
        '/a.B/S': (call) => {
          for (let number = 0; number < 40; number++) call.write(Uint8Array.of(number));
          call.end();
        },
      },
    });
    const received: number[] = [];
    let isTaking = false;
    await new Promise((resolve) => {
      const stream = connection.stream('/a.B/S', {
        onMessage: (bytes) => {
          assert.equal(isTaking, false);
          isTaking = true;
          received.push(...bytes);
          stream.pause();
          setImmediate(() => {
            isTaking = false;
            stream.resume();
          });
        },
        onEnd: resolve,
      });
    });
    assert.deepEqual(
      received,
      Array.from({ length: 40 }, (_, number) => number),
    );
  });

  it('ends once with CANCELLED when it is cancelled, and takes no message after that', async () => {
    const { connection } = await connected({ stream: { '/a.B/S': (call) => call.write(Uint8Array.of(1)) } });
    const ends: unknown[] = [];
    await new Promise<void>((resolve) => {
      const stream = connection.stream('/a.B/S', {
        onMessage: () => stream.cancel(),
        onEnd: (end) => {
          ends.push(end?.codeName);
          stream.send(Uint8Array.of(1));
          stream.cancel();
          setImmediate(resolve);
        },
      });
    });
    connection.close();
    assert.deepEqual(ends, ['CANCELLED']);
  });

  it('ends with UNAVAILABLE when the server dies', async () => {
    const { server } = await connected({ stream: { '/a.B/S': (call) => call.write(Uint8Array.of(1)) } });
    const relay = await startTcpServer((socket) => {
      const far = connect(server.port, '127.0.0.1');
      far.on('error', () => {});
      socket.on('close', () => far.destroy());
      socket.pipe(far).pipe(socket);
    });
    const connection = openGrpc({ address: relay.address });
    closing.push(() => connection.close());
    const end = await new Promise<GrpcError | undefined>((resolve) => {
      connection.stream('/a.B/S', { onMessage: () => void relay.kill(), onEnd: resolve });
    });
    assert.equal(end?.codeName, 'UNAVAILABLE');
  });

  it('ends when a server that was alive answers no ping any more', async () => {
    const { server } = await connected({ stream: { '/a.B/S': (call) => call.write(Uint8Array.of(1)) } });
    // A relay whose far side goes deaf: the connection stands, and nothing comes through it.
    let isDeaf = false;
    const { address } = await startTcpServer((socket) => {
      const far = connect(server.port, '127.0.0.1');
      far.on('error', () => {});
      socket.on('close', () => far.destroy());
      socket.on('data', (bytes) => isDeaf || far.write(bytes));
      far.on('data', (bytes) => isDeaf || socket.write(bytes));
    });
    const through = openGrpc({ address, keepAlive: { intervalMs: 40, timeoutMs: 40 } });
    closing.push(() => through.close());
    const end = await new Promise<GrpcError | undefined>((resolve) => {
      through.stream('/a.B/S', {
        onMessage: () => {
          isDeaf = true;
        },
        onEnd: resolve,
      });
    });
    assert.equal(isDeaf, true);
    assert.equal(end?.codeName, 'UNAVAILABLE');
  });

  it('does not keep the process alive', async () => {
    const { server } = await connected({ stream: { '/a.B/S': (call) => call.write(Uint8Array.of(1)) } });
    const program = `import { openGrpc } from ${JSON.stringify(new URL('../../../src/wire/grpc-client.ts', import.meta.url).href)};
      const untilFirst = setInterval(() => {}, 60_000);
      const onMessage = () => {
        console.log('first');
        clearInterval(untilFirst);
      };
      openGrpc({ address: '${server.address}' }).stream('/a.B/S', { onMessage, onEnd: () => {} });`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
    assert.equal(stdout, 'first\n');
  });
});

describe('TLS of a connection', async () => {
  const [authority, other] = await Promise.all([testAuthority(), testAuthority('other CA')]);
  const [server, client] = await Promise.all([
    workloadCertificate(authority, 'server'),
    workloadCertificate(authority, 'client'),
  ]);
  const methods: GrpcMethods = { unary: { '/a.B/C': (request) => request } };
  const serverTls = serverKeyPair(server);
  const roots = authority.certificate;
  const call = async (tls: GrpcTarget['tls'], mutual = false) => {
    const { connection } = await connected(
      methods,
      tls === undefined ? {} : { tls },
      mutual ? { ...serverTls, roots } : serverTls,
    );
    return connection.unary('/a.B/C', Uint8Array.of(1)).then(
      () => 'ok',
      (thrown: GrpcError) => thrown.message,
    );
  };

  it('is made where the certificate is of a trusted authority and has the name', async () => {
    assert.equal(await call({ roots, serverName: 'server' }), 'ok');
  });

  it('is refused for another name, for another authority, and for one that Node does not know', async () => {
    assert.match(await call({ roots, serverName: 'elsewhere' }), /^UNAVAILABLE: no connection: .*elsewhere/);
    assert.match(await call({ roots }), /127\.0\.0\.1/);
    assert.match(await call({ roots: other.certificate, serverName: 'server' }), /certificate/);
    assert.match(await call({ serverName: 'server' }), /certificate/);
  });

  it('verified nobody where the environment of Node says so (NODE_TLS_REJECT_UNAUTHORIZED), and sent the token', async () => {
    const tokens: unknown[] = [];
    const seen: GrpcMethods = {
      unary: { '/a.B/C': (request, metadata) => (tokens.push(...metadata.get('authorization')), request) },
    };
    const { server: listening } = await connected(seen, {}, serverTls);
    const tls = { roots: other.certificate, serverName: 'istiod' };
    const program = `import { openGrpc } from ${JSON.stringify(new URL('../../../src/wire/grpc-client.ts', import.meta.url).href)};
      const untilAnswered = setInterval(() => {}, 60_000);
      const connection = openGrpc({ address: '${listening.address}', tls: ${JSON.stringify(tls)} });
      const call = connection.unary('/a.B/C', new Uint8Array(), { metadata: { authorization: 'Bearer secret' } });
      console.log(await call.then(() => 'ok', (thrown) => thrown.message));
      clearInterval(untilAnswered);
      connection.close();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      timeout: 20_000,
      env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    });
    assert.deepEqual(tokens, []);
    assert.match(stdout, /^UNAVAILABLE: .*certificate/);
  });

  it('asks the caller who the server must be, in place of its name', async () => {
    assert.equal(await call({ roots, checkPeer: () => undefined }), 'ok');
    const seen: string[] = [];
    const refused = await call({
      roots,
      checkPeer: (certificate) => {
        seen.push(certificate.subjectAltName ?? '');
        return 'it is not the control plane';
      },
    });
    assert.match(refused, /the certificate of the server is refused: it is not the control plane/);
    assert.match(seen[0]!, /spiffe:\/\/example\.org\/server/);
  });

  it('verifies the chain even where the caller checks the peer', async () => {
    assert.match(await call({ roots: other.certificate, checkPeer: () => undefined }), /certificate/);
  });

  it('shows our certificate to a server that asks for one', async () => {
    const { certificateChain, privateKey } = client;
    assert.equal(await call({ roots, serverName: 'server', certificateChain, privateKey: privateKey.reveal() }, true), 'ok');
    assert.match(await call({ roots, serverName: 'server' }, true), /^UNAVAILABLE/);
  });

  it('fails, and does not throw, for a key that is none', async () => {
    assert.match(await call({ roots, serverName: 'server', certificateChain: 'x', privateKey: 'y' }), /^UNAVAILABLE/);
  });
});

describe('an address', () => {
  for (const address of ['', 'host', 'host:99999', 'http://host:1', 'a b:1', '::1:80', 'xds:///x', 'host:1/path'])
    it(`is refused: ${JSON.stringify(address)}`, () => assert.throws(() => openGrpc({ address }), TypeError));
  for (const address of ['host:1', '192.0.2.1:15010', '[::1]:80', 'unix:/run/x.sock'])
    it(`is taken: ${address}`, () => openGrpc({ address }).close());
});
