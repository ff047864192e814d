/** What a client does with what comes, and with what does not come. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { typeUrls } from '../../../../../src/control-plane/xds/client/contract.ts';
import type { AdsServerOptions } from '../../../../support/ads-server.ts';
import { variants, withClient } from '../../../../support/ads-client.ts';
import { deltaResponse, namedResource, wholeResponse } from '../../../../support/ads-messages.ts';

const { cluster, endpoints, listener, routeConfiguration } = typeUrls;

const servers: readonly { readonly name: string; readonly server: AdsServerOptions }[] = [
  { name: 'as-the-protocol-says', server: {} },
  { name: 'as-istiod-does', server: { isIstiod: true } },
];

for (const variant of variants)
  for (const { name, server: serverOptions } of servers)
    describe(`a server that reads requests ${name} (${variant})`, () => {
      const named = (...names: string[]) => Object.fromEntries(names.map((one) => [one, namedResource(one)]));

      it('sends again what was thrown away and is wanted again before anything was said', async (t) => {
        const { client, server, heard, clock } = await withClient(t, { variant, server: serverOptions });
        server.push(endpoints, named('a', 'b'));
        client.subscribe(endpoints, 'a');
        client.subscribe(endpoints, 'b');
        await heard.until(() => heard.names(endpoints).length === 2);
        await clock.rest();
        client.unsubscribe(endpoints, 'a');
        client.subscribe(endpoints, 'a');
        await heard.until(() => heard.names(endpoints).length === 3);
        assert.equal(heard.names(endpoints).at(-1), 'a');
        await clock.advance(15_000);
        assert.deepEqual(heard.absent, []);
      });

      it('sends it again when it was the only one, and when it was all of a kind', async (t) => {
        const { client, server, heard, clock } = await withClient(t, { variant, server: serverOptions });
        server.push(endpoints, named('a'));
        server.push(cluster, named('c'));
        client.subscribe(endpoints, 'a');
        client.subscribe(cluster, 'c');
        await heard.until(() => heard.responses.length === 2);
        await clock.rest();
        for (const [typeUrl, one] of [
          [endpoints, 'a'],
          [cluster, 'c'],
        ] as const) {
          client.unsubscribe(typeUrl, one);
          client.subscribe(typeUrl, one);
        }
        await heard.until(() => heard.names(endpoints).length === 2 && heard.names(cluster).length === 2);
      });

      it('sends it again when it was left while a response was checked', async (t) => {
        const { client, server, heard, clock } = await withClient(t, { variant, server: serverOptions });
        server.push(endpoints, named('a', 'b'));
        client.subscribe(endpoints, 'a');
        client.subscribe(endpoints, 'b');
        await heard.until(() => heard.names(endpoints).length === 2);
        await clock.rest();
        heard.check = () => {
          client.unsubscribe(endpoints, 'a');
          client.subscribe(endpoints, 'a');
          heard.check = () => Promise.resolve();
          return Promise.resolve();
        };
        server.push(endpoints, named('b'));
        await heard.until(() => heard.names(endpoints).lastIndexOf('a') > 1);
      });

      it('sends it again when a response was on its way', async (t) => {
        const { client, server, heard, clock } = await withClient(t, { variant, server: serverOptions });
        server.push(endpoints, named('a', 'b'));
        client.subscribe(endpoints, 'a');
        client.subscribe(endpoints, 'b');
        await heard.until(() => heard.names(endpoints).length === 2);
        await clock.rest();
        client.unsubscribe(endpoints, 'a');
        client.subscribe(endpoints, 'a');
        server.push(endpoints, named('b'));
        await heard.until(() => heard.names(endpoints).lastIndexOf('a') > 1);
      });

      it('hears names that are wanted because of a response that is refused', async (t) => {
        const { client, server, heard } = await withClient(t, { variant, server: serverOptions });
        server.push(endpoints, named('a', 'b'));
        heard.refuse = (resource) => (resource.name === 'a' ? 'bad' : undefined);
        heard.check = (response) => {
          if (response.resources.some((resource) => resource.name === 'a')) client.subscribe(endpoints, 'b');
          return Promise.resolve();
        };
        client.subscribe(endpoints, 'a');
        await heard.until(() => heard.names(endpoints).includes('b'));
      });

      it('hears names that are wanted because of a response that is not its latest', async (t) => {
        const { client, server, heard, clock } = await withClient(t, { variant, server: serverOptions });
        client.subscribe(endpoints, 'a');
        await server.seen(() => true);
        await clock.rest();
        heard.check = (response) => {
          if (response.resources.length > 0) client.subscribe(endpoints, 'b');
          return Promise.resolve();
        };
        server.push(endpoints, named('a', 'b'));
        server.push(endpoints, named('a'));
        await heard.until(() => heard.names(endpoints).includes('b'));
      });

      it('says of what it had sent, or another had, and has no longer that it is gone', async (t) => {
        const { client, server, heard, clock } = await withClient(t, { variant, server: serverOptions });
        server.push(cluster, named('a'));
        client.restored(cluster, ['a', 'old']);
        client.subscribe(cluster, '*');
        await heard.until(() => heard.names(cluster).includes('a'));
        await clock.rest();
        if (variant === 'delta') assert.deepEqual(heard.responses[0]?.removed, ['old']);
        else assert.equal(heard.responses[0]?.isWhole, true);
      });
    });

for (const variant of variants)
  describe(`a resource (${variant})`, () => {
    it('is absent when a connected server has not sent it within 15 s', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      client.subscribe(endpoints, 'a');
      client.subscribe(endpoints, 'b');
      await server.seen(() => true);
      server.push(endpoints, { a: namedResource('a') });
      await server.seen((request) => request.nonce !== '');
      await clock.advance(14_999);
      assert.deepEqual(heard.absent, []);
      await clock.advance(1);
      assert.deepEqual(heard.absent, [
        {
          typeUrl: endpoints,
          name: 'b',
          reason: `${server.address} did not send envoy.config.endpoint.v3.ClusterLoadAssignment b within 15 s`,
        },
      ]);
    });

    it('has its own 15 s when it is asked for later', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      server.push(endpoints, { a: namedResource('a') });
      client.subscribe(endpoints, 'a');
      await server.seen((request) => request.nonce !== '');
      await clock.advance(10_000);
      client.subscribe(endpoints, 'b');
      await server.seen((request) => request.names.includes('b'));
      await clock.advance(14_999);
      assert.deepEqual(heard.absent, []);
      await clock.advance(1);
      assert.deepEqual(
        heard.absent.map(({ name }) => name),
        ['b'],
      );
    });

    it('is not absent while the server is away', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      client.subscribe(endpoints, 'a');
      await server.seen(() => true);
      await clock.advance(10_000);
      server.stop();
      await clock.rest();
      await clock.advance(60_000);
      assert.deepEqual(heard.absent, []);
    });

    it('is not absent once nobody wants it', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      client.subscribe(endpoints, 'a');
      client.subscribe(endpoints, 'b');
      await server.seen(() => true);
      await clock.rest();
      client.unsubscribe(endpoints, 'b');
      await clock.rest();
      await clock.advance(60_000);
      assert.deepEqual(
        heard.absent.map(({ name }) => name),
        ['a'],
      );
    });

    it('that was left and wanted again while a response was checked is sent again', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      let release = (): void => {};
      heard.check = () =>
        new Promise((resolve) => {
          release = resolve;
        });
      server.push(endpoints, { a: namedResource('a') });
      client.subscribe(endpoints, 'a');
      await heard.until(() => heard.responses.length === 1);
      client.unsubscribe(endpoints, 'a');
      await clock.rest();
      client.subscribe(endpoints, 'a');
      await clock.rest();
      heard.check = () => Promise.resolve();
      release();
      await heard.until(() => heard.responses.length === 2);
      assert.deepEqual(heard.names(endpoints), ['a', 'a']);
    });

    it('is not missed when all of a kind is wanted and there is an answer; without one the status says so', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      server.push(cluster, { a: namedResource('a') });
      client.subscribe(cluster, '*');
      await heard.until(() => heard.responses.length === 1);
      await clock.advance(15_000);
      assert.equal(heard.statuses.at(-1)?.error, undefined);
      server.hang();
      client.subscribe(listener, '*');
      await server.seen(({ typeUrl }) => typeUrl === listener);
      await clock.advance(15_000);
      assert.match(heard.statuses.at(-1)?.error ?? '', /did not send any envoy\.config\.listener\.v3\.Listener within 15 s/);
    });

    it('that comes late is handed over', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      client.subscribe(endpoints, 'a');
      await server.seen(() => true);
      await clock.advance(15_000);
      assert.equal(heard.absent.length, 1);
      server.push(endpoints, { a: namedResource('a') });
      await server.seen((request) => request.nonce !== '');
      assert.deepEqual(heard.names(endpoints), ['a']);
    });

    it('that nobody asked for is not handed over', async (t) => {
      const { client, server, heard } = await withClient(t, { variant });
      client.subscribe(endpoints, 'a');
      await server.seen(() => true);
      const parts = {
        typeUrl: endpoints,
        version: '1',
        nonce: 'n',
        resources: [
          { name: 'a', bytes: namedResource('a') },
          { name: 'b', bytes: namedResource('b') },
        ],
      };
      server.garble(variant === 'delta' ? deltaResponse(parts) : wholeResponse(parts));
      await server.seen((request) => request.nonce === 'n');
      assert.deepEqual(heard.names(endpoints), ['a']);
    });

    it('is sent again when it is wanted again', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      server.push(endpoints, { a: namedResource('a'), b: namedResource('b') });
      client.subscribe(endpoints, 'a');
      client.subscribe(endpoints, 'b');
      await heard.until(() => heard.names(endpoints).length === 2);
      await clock.rest();
      client.unsubscribe(endpoints, 'a');
      await server.seen((request) => request.unsubscribed.includes('a') || (request.nonce !== '' && request.names.length === 1));
      client.subscribe(endpoints, 'a');
      await heard.until(() => heard.names(endpoints).length === 3);
      assert.deepEqual(heard.names(endpoints).toSorted(), ['a', 'a', 'b']);
    });

    it('of another kind, without a name, or that is none, is refused by itself', async (t) => {
      const { client, server, heard } = await withClient(t, { variant });
      client.subscribe(cluster, '*');
      await server.seen(() => true);
      const parts = (typeUrl: string, bytes: Uint8Array, name: string) => ({
        typeUrl,
        version: '1',
        nonce: 'n',
        resources: [{ name, bytes }],
      });
      const write = variant === 'delta' ? deltaResponse : wholeResponse;
      // Resources of each response are repeated fields: messages that follow one another are one.
      const typed = (typeUrl: string, bytes: Uint8Array, name: string): Uint8Array => write(parts(typeUrl, bytes, name));
      server.garble(
        Buffer.concat([
          typed(cluster, namedResource('good'), 'good'),
          typed(endpoints, namedResource('other'), 'other'),
          typed(cluster, namedResource('good'), 'good'),
          typed(cluster, Buffer.from([0xff, 0xff]), ''),
          typed(cluster, new Uint8Array([0x10, 0x01]), ''),
        ]),
      );
      const nack = await server.seen((request) => request.nonce === 'n');
      assert.deepEqual(heard.names(cluster), ['good']);
      assert.deepEqual(
        heard.responses.at(-1)?.broken.map(({ reason }) => reason),
        [
          'it is a envoy.config.endpoint.v3.ClusterLoadAssignment in a response about envoy.config.cluster.v3.Cluster',
          'it is twice in one response',
          'its bytes are no envoy.config.cluster.v3.Cluster',
          'it has no name',
        ],
      );
      assert.equal(nack.error?.code, 3);
      assert.match(nack.error?.message ?? '', /good: it is twice.*a resource without a name: it has no name/);
    });

    it('with a time to live is gone when nothing renews it', async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      client.subscribe(endpoints, 'a');
      await server.seen(() => true);
      const write = variant === 'delta' ? deltaResponse : wholeResponse;
      const parts = (nonce: string, bytes: Uint8Array) => ({
        typeUrl: endpoints,
        version: '1',
        nonce,
        isWrapped: true,
        resources: [{ name: 'a', bytes, version: 'a1', ttlMs: 5000 }],
      });
      server.garble(write(parts('n1', namedResource('a'))));
      await server.seen((request) => request.nonce === 'n1');
      assert.equal(heard.responses[0]?.resources[0]?.version, 'a1');
      await clock.advance(4000);
      // A heartbeat: the name and the time, without the resource.
      server.garble(write(parts('n2', new Uint8Array())));
      await server.seen((request) => request.nonce === 'n2');
      await clock.advance(4999);
      assert.deepEqual(
        heard.responses.flatMap(({ removed }) => removed),
        [],
      );
      await clock.advance(1);
      await clock.rest();
      assert.deepEqual(
        heard.responses.flatMap(({ removed }) => removed),
        ['a'],
      );
    });
  });

describe('a response', () => {
  it('is whole for clusters, and says nothing of what it leaves out for endpoints and routes', async (t) => {
    const { client, server, heard } = await withClient(t, { variant: 'state-of-the-world' });
    server.push(cluster, { a: namedResource('a') });
    server.push(endpoints, { a: namedResource('a') });
    server.push(routeConfiguration, { a: namedResource('a') });
    for (const typeUrl of [cluster, endpoints, routeConfiguration]) client.subscribe(typeUrl, 'a');
    await heard.until(() => heard.responses.length === 3);
    assert.deepEqual(Object.fromEntries(heard.responses.map(({ typeUrl, isWhole }) => [typeUrl, isWhole])), {
      [cluster]: true,
      [endpoints]: false,
      [routeConfiguration]: false,
    });
  });

  it('is never whole in delta, which names what is gone', async (t) => {
    const { client, server, heard } = await withClient(t, { variant: 'delta' });
    server.push(cluster, { a: namedResource('a'), b: namedResource('b') });
    client.subscribe(cluster, '*');
    await heard.until(() => heard.responses.length === 1);
    server.push(cluster, { a: undefined });
    await heard.until(() => heard.responses.length === 2);
    assert.deepEqual(
      heard.responses.map(({ isWhole, removed }) => ({ isWhole, removed })),
      [
        { isWhole: false, removed: [] },
        { isWhole: false, removed: ['a'] },
      ],
    );
    assert.deepEqual(heard.absent, []);
  });

  it('that says a resource does not exist ends the wait for it at once', async (t) => {
    const { client, server, heard } = await withClient(t, { variant: 'delta' });
    client.subscribe(cluster, 'a');
    await server.seen(() => true);
    server.garble(deltaResponse({ typeUrl: cluster, version: '1', nonce: 'n', resources: [], removed: ['a'] }));
    await server.seen((request) => request.nonce === 'n');
    assert.deepEqual(heard.absent, [{ typeUrl: cluster, name: 'a', reason: `${server.address} says that it does not exist` }]);
  });

  it('that gives an error for a resource ends the wait when it is denied, and warns when it may pass', async (t) => {
    const { client, server, heard } = await withClient(t, { variant: 'state-of-the-world' });
    client.subscribe(endpoints, 'a');
    client.subscribe(endpoints, 'b');
    await server.seen(() => true);
    const errors = [
      { name: 'a', code: 7, message: 'not yours' },
      { name: 'b', code: 14, message: 'come back' },
    ];
    server.garble(wholeResponse({ typeUrl: endpoints, version: '1', nonce: 'n', resources: [], errors }));
    await server.seen((request) => request.nonce === 'n');
    assert.deepEqual(
      heard.absent.map(({ name, reason }) => [name, reason.replace(/^.*?cannot/, 'cannot')]),
      [['a', 'cannot give envoy.config.endpoint.v3.ClusterLoadAssignment a: not yours']],
    );
    assert.match(heard.statuses.at(-1)?.error ?? '', /cannot give .* b: come back/);
  });

  it('waits until the one before it is checked, and all come in order', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { variant: 'state-of-the-world' });
    let inCheck = 0;
    let most = 0;
    const done: (() => void)[] = [];
    heard.check = async () => {
      most = Math.max(most, ++inCheck);
      await new Promise<void>((resolve) => done.push(resolve));
      inCheck--;
    };
    client.subscribe(endpoints, 'a');
    await server.seen(() => true);
    for (let number = 1; number <= 5; number++)
      server.garble(wholeResponse({ typeUrl: endpoints, version: String(number), nonce: `n${number}`, resources: [] }));
    for (let number = 1; number <= 5; number++) {
      await heard.until(() => heard.responses.length === number);
      await clock.rest();
      assert.equal(heard.responses.length, number);
      done[number - 1]!();
    }
    await server.seen((request) => request.nonce === 'n5');
    assert.equal(most, 1);
    assert.deepEqual(
      heard.responses.map(({ version }) => version),
      ['1', '2', '3', '4', '5'],
    );
    assert.deepEqual(
      server.requests.map(({ version }) => version),
      ['', '1', '2', '3', '4', '5'],
    );
  });

  it('whose check throws is refused whole', async (t) => {
    const { client, server, heard } = await withClient(t, { variant: 'state-of-the-world' });
    heard.check = () => Promise.reject(new Error('no room'));
    server.push(cluster, { a: namedResource('a') });
    client.subscribe(cluster, '*');
    const nack = await server.seen((request) => request.nonce !== '');
    assert.equal(nack.error?.message, 'a: it could not be checked: no room');
  });

  it('whose taking fails ends the stream, and nothing else', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { variant: 'delta' });
    heard.onAbsent = () => {
      throw new Error('nobody is home');
    };
    client.subscribe(cluster, 'a');
    await server.seen(() => true);
    server.garble(deltaResponse({ typeUrl: cluster, version: '1', nonce: 'n', resources: [], removed: ['a'] }));
    await heard.until(() => heard.statuses.at(-1)?.state === 'disconnected');
    assert.match(heard.statuses.at(-1)?.error ?? '', /nobody is home/);
    await clock.untilOpen(server, 2);
  });

  for (const variant of variants)
    it(`that is good after a refused one is never answered with the NACK of that (${variant})`, async (t) => {
      const { client, server, heard, clock } = await withClient(t, { variant });
      client.subscribe(cluster, '*');
      await server.seen(() => true);
      const write = variant === 'delta' ? deltaResponse : wholeResponse;
      const send = async (version: string, nonce: string): Promise<void> => {
        const before = heard.responses.length;
        server.garble(
          write({ typeUrl: cluster, version, nonce, resources: [{ name: 'a', bytes: namedResource('a'), version }] }),
        );
        await heard.until(() => heard.responses.length > before);
        await clock.rest();
      };
      heard.refuse = () => 'bad';
      for (const nonce of ['m1', 'm2', 'm3']) await send('v1', nonce);
      heard.refuse = () => undefined;
      await send('v2', 'good');
      await clock.advance(20_000);
      await clock.rest();
      assert.deepEqual(
        server.requests.filter(({ nonce }) => /^m|good/.test(nonce)).map(({ nonce, error }) => [nonce, error?.message]),
        [
          ['m1', 'a: bad'],
          ['m2', 'a: bad'],
          ['good', undefined],
        ],
      );
    });

  it('that is refused again and again is answered later and later, and at once when names change', async (t) => {
    const { client, server, heard, clock } = await withClient(t, { variant: 'state-of-the-world' });
    heard.refuse = () => 'bad';
    server.push(cluster, { a: namedResource('a') }, 'v1');
    client.subscribe(cluster, '*');
    const nacks = (): number => server.requests.filter(({ error }) => error !== undefined).length;
    const resend = async (nonce: string): Promise<void> => {
      const before = heard.responses.length;
      server.garble(
        wholeResponse({ typeUrl: cluster, version: 'v1', nonce, resources: [{ name: 'a', bytes: namedResource('a') }] }),
      );
      await heard.until(() => heard.responses.length > before);
      await clock.rest();
    };
    await heard.until(() => heard.responses.length === 1);
    await clock.rest();
    await resend('m2');
    assert.equal(nacks(), 2);
    await resend('m3');
    assert.equal(nacks(), 2);
    // 1 s ± 20 %.
    await clock.advance(1300);
    await server.seen((request) => request.nonce === 'm3');
    assert.equal(nacks(), 3);
    await resend('m4');
    await clock.advance(1000);
    assert.equal(nacks(), 3);
    client.subscribe(cluster, 'b');
    const asked = await server.seen((request) => request.names.includes('b'));
    assert.deepEqual([asked.nonce, asked.error?.message], ['m4', 'a: bad']);
    // Names in a NACK are not read by every server: they are said without it as well.
    await server.seen((request) => request.names.includes('b') && request.error === undefined);
  });
});
