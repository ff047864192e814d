/** Which server is asked, how often, with what, and what is told of it. */
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { constants, createServer } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { seededRandom, systemClock } from '../../../../../src/base/runtime.ts';
import { createAdsClient } from '../../../../../src/control-plane/xds/client/ads-client.ts';
import { typeUrls } from '../../../../../src/control-plane/xds/client/contract.ts';
import type { TlsCredentials } from '../../../../../src/control-plane/xds/client/credentials.ts';
import { adsClock, createHeard, variants, withClient } from '../../../../support/ads-client.ts';
import { namedResource } from '../../../../support/ads-messages.ts';
import { startAdsServer } from '../../../../support/ads-server.ts';
import { serverKeyPair, testAuthority, workloadCertificate } from '../../../../support/certificates.ts';
import { closedPort, startTcpServer } from '../../../../support/servers.ts';

const { cluster, endpoints } = typeUrls;

describe('a stream', () => {
  for (const variant of variants)
    it(`that a server ends well after an answer is begun again after about 1 s, each time, and is no error (${variant})`, async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      server.push(cluster, { a: namedResource('a') });
      client.subscribe(cluster, '*');
      const waits: number[] = [];
      for (let close = 1; close <= 7; close++) {
        await heard.until(() => heard.statuses.at(-1)?.state === 'connected');
        // A response on each stream, as the same version is not sent again.
        server.push(cluster, { a: namedResource('a') });
        await heard.until(() => heard.responses.length > close);
        await clock.rest();
        const endedMs = clock.now();
        server.drop();
        await heard.until(() => heard.statuses.at(-1)?.state === 'connecting');
        await clock.untilOpen(server, close + 1);
        server.push(cluster, { a: namedResource('a') });
        waits.push(clock.now() - endedMs);
      }
      // 1 s ± 20 %, in steps of 100 ms.
      for (const wait of waits) assert.ok(wait >= 700 && wait <= 1300, `waited ${waits.join(', ')}`);
      assert.deepEqual([...new Set(heard.statuses.map(({ error }) => error))], [undefined]);
    });

  it('is tried once in each slot of a growing back-off while the server refuses', async (t) => {
    const { client, server, clock } = await withClient(t, {
      variant: 'state-of-the-world',
      server: { refuse: () => ({ code: 14, details: 'overloaded' }) },
    });
    client.subscribe(cluster, '*');
    const opened: number[] = [];
    for (let count = 1; count <= 6; count++) {
      await clock.untilOpen(server, count);
      await clock.rest();
      opened.push(clock.now());
    }
    const waits = opened.slice(1).map((openedMs, index) => openedMs - opened[index]!);
    // 1 s × 1.6ⁿ ± 20 %, and what the clock goes on by in one step.
    for (const [index, wait] of waits.entries()) {
      const expected = 1000 * 1.6 ** index;
      assert.ok(wait >= expected * 0.8 - 100 && wait <= expected * 1.2 + 200, `waited ${waits.join(', ')}`);
    }
    assert.equal(server.metadata.length, 6);
  });

  it('starts its back-off over at any response', async (t) => {
    let isRefusing = true;
    const { client, server, heard, clock } = await withClient(t, {
      variant: 'state-of-the-world',
      server: { refuse: () => (isRefusing ? { code: 14, details: 'overloaded' } : undefined) },
    });
    // A refused resource is a response as well.
    heard.refuse = () => 'bad';
    server.push(cluster, { a: namedResource('a') });
    client.subscribe(cluster, '*');
    await clock.untilOpen(server, 5);
    isRefusing = false;
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    await clock.untilOpen(server, 6);
    await heard.until(() => heard.statuses.at(-1)?.state === 'connected');
    server.drop({ code: 14, details: 'going away' });
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    const endedMs = clock.now();
    await clock.untilOpen(server, 7);
    assert.ok(clock.now() - endedMs <= 1300, `waited ${clock.now() - endedMs}`);
  });

  it('ends at bytes that are no response, and is tried again', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { variant: 'state-of-the-world' });
    client.subscribe(endpoints, 'a');
    await server.seen(() => true);
    server.garble(Buffer.from([0xff, 0xff, 0xff]));
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /the server sent 3 bytes that are no discovery response/);
    await clock.untilOpen(server, 2);
  });

  it('ends at a message that is too large, with words that say so', async (t) => {
    const { client, server, heard } = await withClient(t, { variant: 'state-of-the-world', maxMessageBytes: 1000 });
    client.subscribe(endpoints, 'a');
    await server.seen(() => true);
    server.garble(Buffer.alloc(2000));
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(
      heard.statuses.at(-1)?.error ?? '',
      /larger than max \(2000 vs\.? 1000\).*a push of the server is larger than maxMessageBytes/,
    );
  });

  for (const variant of variants)
    it(`on which nothing is missing stands without an answer: connected, and no failure once it stood 10 s (${variant})`, async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      server.push(cluster, { a: namedResource('a') });
      client.subscribe(cluster, '*');
      await heard.until(() => heard.responses.length === 1);
      await server.seen(({ nonce }) => nonce !== '');
      const waits: number[] = [];
      for (let stream = 2; stream <= 6; stream++) {
        const endedMs = clock.now();
        server.drop({ code: 14, details: 'going away' });
        await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
        await clock.untilOpen(server, stream);
        waits.push(clock.now() - endedMs);
        await heard.until(() => heard.statuses.at(-1)?.state === 'connected');
        assert.equal(heard.statuses.at(-1)?.error, undefined);
        await clock.advance(10_000);
        await clock.rest();
      }
      for (const wait of waits) assert.ok(wait <= 1400, `waited ${waits.join(', ')}`);
    });

  it('to a server that has served stands without an answer, also where it never had all that is wanted', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { variant: 'delta' });
    server.push(endpoints, { a: namedResource('a') });
    client.subscribe(endpoints, 'a');
    client.subscribe(endpoints, 'nowhere');
    await server.seen(({ nonce }) => nonce !== '');
    server.hang();
    server.drop({ code: 14, details: 'going away' });
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    await clock.untilOpen(server, 2);
    await heard.until(() => heard.statuses.at(-1)?.state === 'connected');
    assert.equal(heard.responses.length, 1);
  });

  it('on which nothing is missing, and that ends at once, is tried again later and later', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { variant: 'delta' });
    server.push(cluster, { a: namedResource('a') });
    client.subscribe(cluster, '*');
    await server.seen(({ nonce }) => nonce !== '');
    for (let stream = 2; stream <= 6; stream++) {
      server.drop({ code: 14, details: 'going away' });
      await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
      await clock.untilOpen(server, stream);
      await heard.until(() => heard.statuses.at(-1)?.state === 'connected');
    }
    const beganMs = clock.now();
    server.drop({ code: 14, details: 'going away' });
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    await clock.untilOpen(server, 7);
    assert.ok(clock.now() - beganMs > 4000, `waited ${clock.now() - beganMs}`);
  });

  it('that a server ends before it says anything is a failure', async (t) => {
    const { client, server, heard } = await withClient(t, { variant: 'state-of-the-world' });
    client.subscribe(endpoints, 'a');
    await server.seen(() => true);
    server.drop();
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /ended the stream before its first response/);
  });
});

describe('the status', () => {
  it('says which server serves and what it calls itself', async (t) => {
    const { client, server, heard } = await withClient(t, { variant: 'delta', server: { controlPlane: 'istiod-7f' } });
    server.push(cluster, { a: namedResource('a') });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.statuses.at(-1)?.state === 'connected');
    assert.deepEqual(heard.statuses.at(-1), { state: 'connected', server: `${server.address} (istiod-7f)` });
  });

  it('says what failed, since when, how often, and when it is tried again', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { variant: 'delta' });
    client.subscribe(cluster, '*');
    await server.seen(() => true);
    server.stop();
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    await clock.advance(1300);
    await heard.until(() => /tried 2 times/.test(heard.statuses.at(-1)?.error ?? ''));
    const words = heard.statuses.at(-1)!.error!;
    assert.match(
      words,
      /^127\.0\.0\.1:\d+: UNAVAILABLE: no connection: connect ECONNREFUSED .*; not connected since 2026-01-01T00:00:00Z, tried 2 times, next try at 2026-01-01T00:00:0[23]Z$/,
    );
  });

  const refusals: readonly { readonly name: string; readonly code: number; readonly words: RegExp }[] = [
    { name: 'unauthenticated', code: 16, words: /UNAUTHENTICATED: no \(.*check the token file/ },
    { name: 'permission-denied', code: 7, words: /PERMISSION_DENIED: no \(.*its id and metadata must fit/ },
    { name: 'unimplemented', code: 12, words: /UNIMPLEMENTED: no \(.*set variant to 'delta'/ },
  ];
  for (const { name, code, words } of refusals)
    it(`says what to do about a refusal, and goes on trying: ${name}`, async (t) => {
      const { client, server, heard, clock } = await withClient(t, {
        variant: 'state-of-the-world',
        server: { refuse: () => ({ code, details: 'no' }) },
      });
      client.subscribe(cluster, '*');
      await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
      assert.match(heard.statuses.at(-1)?.error ?? '', words);
      await clock.untilOpen(server, 3);
    });
});

describe('a variant that the server does not have', () => {
  it('is left for the other one where none was chosen, and not tried again', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { server: { variants: ['state-of-the-world'] } });
    server.push(cluster, { a: namedResource('a') });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.responses.length === 1);
    assert.equal(server.metadata.length, 2);
    await clock.rest();
    server.drop();
    await clock.untilOpen(server, 3);
    const again = await server.seen(({ stream }) => stream === 2);
    assert.equal(again.variant, 'state-of-the-world');
  });

  it('is named where it was chosen', async (t) => {
    const { client, heard } = await withClient(t, { variant: 'delta', server: { variants: ['state-of-the-world'] } });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /set variant to 'state-of-the-world'/);
  });
});

describe('a list of servers', () => {
  it('is gone through when the first fails and something never came, and left when the first is back', async (t) => {
    const second = await startAdsServer({ controlPlane: 'second' });
    t.after(() => second.close());
    second.push(cluster, { a: namedResource('a') }, 's1');
    const {
      client,
      server: first,
      heard,
      clock,
    } = await withClient(t, {
      variant: 'state-of-the-world',
      others: [second.address],
      server: { controlPlane: 'first' },
    });
    first.stop();
    await clock.rest();
    client.subscribe(cluster, '*');
    await heard.until(() => heard.responses.length === 1);
    const { state, error, server } = heard.statuses.at(-1)!;
    assert.deepEqual([state, server], ['connected', `${second.address} (second)`]);
    assert.match(error!, /^served by the fallback .*; 127\.0\.0\.1:\d+: .*next try at/);

    assert.notEqual(second.requests[0]!.node, undefined);
    first.push(cluster, { a: namedResource('a'), b: namedResource('b') }, 'f1');
    await first.start();
    await clock.untilOpen(first, first.metadata.length + 1);
    await heard.until(() => heard.responses.length === 2);
    await clock.rest();
    assert.deepEqual(
      heard.responses.map(({ version }) => version),
      ['s1', 'f1'],
    );
    assert.equal(second.openStreams(), 0);
    assert.deepEqual(heard.absent, []);
    assert.deepEqual(heard.statuses.at(-1), { state: 'connected', server: `${first.address} (first)` });
  });

  it('stays at the first server while all that is wanted is in force', async (t) => {
    const second = await startAdsServer();
    t.after(() => second.close());
    const { client, server: first, heard, clock } = await withClient(t, { variant: 'delta', others: [second.address] });
    first.push(cluster, { a: namedResource('a') });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.responses.length === 1);
    first.stop();
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    for (let step = 0; step < 20; step++) {
      await clock.advance(1000);
      await clock.rest();
    }
    assert.match(heard.statuses.at(-1)?.error ?? '', /tried [4-9] times/);
    assert.equal(second.metadata.length, 0);
    // Something new is wanted that is nowhere: now the second one is asked.
    second.push(endpoints, { e: namedResource('e') });
    client.subscribe(endpoints, 'e');
    await heard.until(() => heard.names(endpoints).length === 1);
    assert.deepEqual(heard.absent, []);
  });

  it('claims to the first server no version that it had sent before the second one was used', async (t) => {
    const second = await startAdsServer();
    t.after(() => second.close());
    const {
      client,
      server: first,
      heard,
      clock,
    } = await withClient(t, { variant: 'state-of-the-world', others: [second.address] });
    first.push(endpoints, { a: namedResource('a') }, 'f1');
    client.subscribe(endpoints, 'a');
    await heard.until(() => heard.responses.length === 1);
    await clock.rest();
    first.stop();
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    await clock.advance(1300);
    await heard.until(() => /ECONNREFUSED/.test(heard.statuses.at(-1)?.error ?? ''));
    second.push(endpoints, { a: namedResource('a'), b: namedResource('b') }, 's1');
    client.subscribe(endpoints, 'b');
    await heard.until(() => heard.responses.length === 2);
    await clock.rest();
    const before = first.requests.length;
    await first.start();
    await clock.untilOpen(first, 2);
    const again = await first.seen((request) => first.requests.indexOf(request) >= before);
    assert.deepEqual([again.version, again.names], ['', ['a', 'b']]);
  });

  it('asks an incremental server about all that another one had sent, so that it says what is gone', async (t) => {
    const second = await startAdsServer();
    t.after(() => second.close());
    const { client, server: first, heard, clock } = await withClient(t, { variant: 'delta', others: [second.address] });
    first.push(cluster, { a: namedResource('a'), old: namedResource('old') }, 'f1');
    second.push(cluster, { a: namedResource('a') }, 's1');
    client.subscribe(cluster, '*');
    await heard.until(() => heard.responses.length === 1);
    await clock.rest();
    first.stop();
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    await clock.advance(1300);
    await heard.until(() => /ECONNREFUSED/.test(heard.statuses.at(-1)?.error ?? ''));
    client.subscribe(endpoints, 'e');
    await heard.until(() => heard.responses.length === 2);
    assert.deepEqual(heard.responses[1]?.removed, ['old']);
    assert.deepEqual(heard.names(cluster), ['a', 'old', 'a']);
  });

  it('hears of what comes from the disk while a server is silent: another stream begins with it', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { variant: 'delta' });
    server.hang();
    server.push(cluster, { a: namedResource('a') });
    client.subscribe(cluster, '*');
    await server.seen(() => true);
    await clock.rest();
    client.restored(cluster, ['a', 'old']);
    const again = await server.seen(({ stream }) => stream === 1);
    assert.deepEqual(Object.keys(again.initialVersions), ['a', 'old']);
    server.hang(false);
    await heard.until(() => heard.responses.length === 1);
    assert.deepEqual(heard.responses[0]?.removed, ['old']);
    assert.deepEqual(
      heard.statuses.flatMap(({ error }) => error ?? []),
      [],
    );
  });

  it('hands over one response at a time, also while two servers send', async (t) => {
    const second = await startAdsServer();
    t.after(() => second.close());
    second.push(endpoints, { a: namedResource('a') }, 's1');
    const {
      client,
      server: first,
      heard,
      clock,
    } = await withClient(t, {
      variant: 'state-of-the-world',
      others: [second.address],
    });
    first.stop();
    await clock.rest();
    let release = (): void => {};
    heard.check = () => new Promise((resolve) => (release = resolve));
    client.subscribe(endpoints, 'a');
    await heard.until(() => heard.responses.length === 1);
    first.push(endpoints, { a: namedResource('a') }, 'f1');
    await first.start();
    await clock.untilOpen(first, first.metadata.length + 1);
    await clock.rest();
    assert.deepEqual(
      heard.responses.map(({ version }) => version),
      ['s1'],
    );
    heard.check = () => Promise.resolve();
    release();
    await heard.until(() => heard.responses.length === 2);
  });

  it('is gone through when the first server stands and is silent', async (t) => {
    const second = await startAdsServer();
    t.after(() => second.close());
    second.push(endpoints, { a: namedResource('a') });
    const {
      client,
      server: first,
      heard,
      clock,
    } = await withClient(t, { variant: 'state-of-the-world', others: [second.address] });
    first.hang();
    client.subscribe(endpoints, 'a');
    await first.seen(() => true);
    await clock.rest();
    await clock.advance(15_000);
    await heard.until(() => heard.names(endpoints).length === 1);
    assert.deepEqual(heard.absent, []);
    assert.match(
      heard.statuses.at(-1)?.error ?? '',
      /did not send envoy\.config\.endpoint\.v3\.ClusterLoadAssignment a within 15 s/,
    );
  });
});

describe('a server that dies without a word', () => {
  it('is found by pings, and the status says so', async (t) => {
    const server = await startAdsServer();
    t.after(() => server.close());
    let isDeaf = false;
    const relay = await startTcpServer((socket) => {
      const far = connect(server.port, '127.0.0.1');
      far.on('error', () => {});
      socket.on('close', () => far.destroy());
      socket.on('data', (bytes) => isDeaf || far.write(bytes));
      far.on('data', (bytes) => isDeaf || socket.write(bytes));
    });
    server.push(cluster, { a: namedResource('a') });
    const { client, heard } = await withClient(t, {
      variant: 'delta',
      servers: [{ address: relay.address, credentials: { kind: 'plaintext' } }],
      keepAlive: { intervalMs: 50, timeoutMs: 50 },
    });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.statuses.at(-1)?.state === 'connected');
    isDeaf = true;
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /UNAVAILABLE/);
  });
});

describe('a server that accepts connections and says nothing', () => {
  it('is not connected, so that nothing is absent because of it', async (t) => {
    const silent = await startTcpServer(() => {});
    const { client, heard, clock } = await withClient(t, {
      servers: [{ address: silent.address, credentials: { kind: 'plaintext' } }],
    });
    client.subscribe(endpoints, 'a');
    while (silent.connections() === 0) await clock.rest();
    await clock.advance(60_000);
    assert.deepEqual(heard.absent, []);
    assert.equal(heard.statuses.at(-1)?.state, 'connecting');
  });

  it('is given up after the time to connect', async (t) => {
    const silent = await startTcpServer(() => {});
    const { client, heard } = await withClient(t, {
      servers: [{ address: silent.address, credentials: { kind: 'plaintext' } }],
      connectTimeoutMs: 50,
    });
    client.subscribe(endpoints, 'a');
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /did not answer within 50 ms/);
  });
});

describe('a server that finds pings too many', () => {
  it('gets half as many on the next connection', async (t) => {
    const gaps: number[] = [];
    const server = createServer();
    t.after(() => server.close());
    server.on('session', (session) => {
      session.on('error', () => {});
      let lastMs = systemClock.now();
      session.on('ping', () => {
        gaps.push(systemClock.now() - lastMs);
        lastMs = systemClock.now();
        session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 2 ** 31 - 1, Buffer.from('too_many_pings'));
        session.close();
      });
    });
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { client, heard, clock } = await withClient(t, {
      servers: [{ address, credentials: { kind: 'plaintext' } }],
      keepAlive: { intervalMs: 60, timeoutMs: 5000 },
    });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /finds our pings too many/);
    await clock.advance(1300);
    await heard.until(() => /tried 2 times/.test(heard.statuses.at(-1)?.error ?? ''));
    assert.ok(gaps[0]! >= 55 && gaps[0]! < 110 && gaps[1]! >= 115, gaps.join(', '));
  });
});

describe('a client that is stopped', () => {
  it('may run again: it subscribes to what is wanted, with the versions that it knows', async (t) => {
    const server = await startAdsServer();
    t.after(() => server.close());
    server.push(cluster, { a: namedResource('a') }, 'v1');
    const heard = createHeard();
    const client = createAdsClient({
      servers: [{ address: server.address, credentials: { kind: 'plaintext' } }],
      node: { id: 'test' },
      variant: 'delta',
      clock: adsClock(),
      random: seededRandom(1),
    });
    client.subscribe(cluster, '*');
    const first = new AbortController();
    const running = client.run(heard, first.signal);
    await assert.rejects(client.run(heard, first.signal), TypeError);
    await server.seen(({ nonce }) => nonce !== '');
    first.abort();
    await running;
    client.subscribe(endpoints, 'e');
    const second = new AbortController();
    const again = client.run(heard, second.signal);
    await server.seen(({ stream, typeUrl }) => stream === 1 && typeUrl === endpoints);
    const request = await server.seen(({ stream, typeUrl }) => stream === 1 && typeUrl === cluster);
    assert.deepEqual(request.initialVersions, { a: 'v1' });
    second.abort();
    await again;
  });
});

describe('credentials', async () => {
  const authority = await testAuthority();
  const issued = await workloadCertificate(authority, 'xds');
  const clients = await Promise.all(['one', 'two'].map((name) => workloadCertificate(authority, name)));
  const tls = serverKeyPair(issued);
  const folder = await mkdtemp(join(tmpdir(), 'xds-credentials-'));
  const rootsFile = join(folder, 'roots.pem');
  const tokenFile = join(folder, 'token');
  await Promise.all([writeFile(rootsFile, authority.certificate), writeFile(tokenFile, 'first\n')]);

  const connected = async (t: Parameters<typeof withClient>[0], credentials: Partial<TlsCredentials>, mutual = false) => {
    const server = await startAdsServer({ tls: mutual ? { ...tls, roots: authority.certificate } : tls });
    t.after(() => server.close());
    server.push(cluster, { a: namedResource('a') });
    const roots = { file: rootsFile };
    const set = await withClient(t, {
      variant: 'delta',
      servers: [{ address: server.address, credentials: { kind: 'tls', roots, serverName: 'xds', ...credentials } }],
    });
    set.client.subscribe(cluster, '*');
    return { ...set, server };
  };

  it('read the token again for each stream', async (t) => {
    const server = await startAdsServer({ tls });
    t.after(() => server.close());
    server.push(cluster, { a: namedResource('a') });
    const credentials: TlsCredentials = {
      kind: 'tls',
      roots: authority.certificate,
      serverName: 'xds',
      callCredentials: { kind: 'jwt', file: tokenFile },
    };
    const { client, heard, clock } = await withClient(t, {
      servers: [{ address: server.address, credentials }],
      variant: 'delta',
    });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.responses.length === 1);
    await writeFile(tokenFile, 'second\n');
    await clock.rest();
    server.drop();
    await clock.untilOpen(server, 2);
    assert.deepEqual(
      server.metadata.map((metadata) => metadata.get('authorization')),
      [['Bearer first'], ['Bearer second']],
    );
  });

  it('ask for the certificate again for each connection', async (t) => {
    const server = await startAdsServer({ tls: { ...tls, roots: authority.certificate } });
    t.after(() => server.close());
    server.push(cluster, { a: namedResource('a') });
    let asked = 0;
    const identity = () => {
      const { certificateChain, privateKey } = clients[asked++ % 2]!;
      return { certificateChain, privateKey: privateKey.reveal() };
    };
    const credentials: TlsCredentials = { kind: 'tls', roots: { file: rootsFile }, serverName: 'xds', identity };
    const { client, heard, clock } = await withClient(t, {
      servers: [{ address: server.address, credentials }],
      variant: 'delta',
    });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.responses.length === 1);
    await clock.rest();
    server.drop();
    await clock.untilOpen(server, 2);
    assert.equal(asked, 2);
  });

  it('may have a certificate in files', async (t) => {
    const [certificateFile, privateKeyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const { certificateChain, privateKey } = clients[0]!;
    await Promise.all([writeFile(certificateFile, certificateChain), writeFile(privateKeyFile, privateKey.reveal())]);
    const { heard } = await connected(t, { identity: { certificateFile, privateKeyFile } }, true);
    await heard.until(() => heard.responses.length === 1);
  });

  it('name the file that cannot be read, and go on trying', async (t) => {
    const missing = join(folder, 'none');
    const { heard } = await connected(t, { callCredentials: { kind: 'jwt', file: missing } });
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.ok(heard.statuses.at(-1)?.error?.includes(`the token file ${missing} cannot be read (ENOENT)`));
  });

  it('refuse a server of another name', async (t) => {
    const { heard } = await connected(t, { serverName: 'elsewhere' });
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /elsewhere/);
  });
});

describe('a client', () => {
  it('that has no server is a mistake', () => {
    const options = { servers: [], node: { id: '' }, clock: adsClock(), random: seededRandom(1) };
    assert.throws(() => createAdsClient(options), RangeError);
  });

  it('reports that nobody listens there', async (t) => {
    const address = `127.0.0.1:${await closedPort()}`;
    const { heard } = await withClient(t, { servers: [{ address, credentials: { kind: 'plaintext' } }] });
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /ECONNREFUSED/);
  });
});
