import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assignment, edsCluster, routeTable, sidecarListener, virtualHost } from '../../../../support/envoy-samples.ts';
import { sourceOnStore, type SourceOnStore } from '../../../../support/xds-source.ts';

const badCluster = (name: string): object => edsCluster(name, { connect_timeout: '-1s' });

/** Refusals that were told of as an event. */
function told(source: SourceOnStore): readonly unknown[] {
  return source.statuses.flatMap(({ refused }) => (refused === undefined ? [] : [refused]));
}

describe('a resource that cannot be used', () => {
  it('is refused by itself, with the reason, and the last good version stays', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    source.ask('orders|');
    await client.push('cluster', [edsCluster('orders|'), edsCluster('cart|')]);
    const before = source.value('cluster', 'orders|');
    const refused = await client.push('cluster', [badCluster('orders|'), edsCluster('cart|'), edsCluster('new|')]);

    assert.deepEqual(
      refused.map(({ name }) => name),
      ['orders|'],
    );
    assert.match(refused[0]!.reason, /connect_timeout/);
    assert.equal(source.value('cluster', 'orders|'), before);
    source.ask('new|');
    await source.settled();
    assert.notEqual(source.value('cluster', 'new|'), undefined, 'another of the same response is taken');
  });

  it('is told of with its path and its reason apart, once', async () => {
    await using source = await sourceOnStore();
    await source.client.push('cluster', [badCluster('orders|')]);
    await source.client.push('cluster', [badCluster('orders|')]);
    const events = source.statuses.filter(({ refused }) => refused !== undefined);
    assert.equal(events.length, 1);
    const [problem] = events[0]!.problems!;
    assert.deepEqual(problem!.key, { kind: 'cluster', name: 'orders|' });
    assert.equal(problem!.path, 'connect_timeout');
    assert.doesNotMatch(problem!.reason, /connect_timeout/);
    assert.deepEqual(problem, source.findings().rejected[0]);
  });

  it('is refused although nobody has asked for it', async () => {
    await using source = await sourceOnStore();
    const refused = await source.client.push('cluster', [badCluster('orders|')]);

    assert.equal(refused.length, 1);
    assert.deepEqual(
      source.findings().rejected.map(({ key }) => key),
      [{ kind: 'cluster', name: 'orders|' }],
    );
  });

  it('shows in the status until a good version comes, and is told of once', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    for (let push = 0; push < 3; push++) await client.push('cluster', [badCluster('orders|')]);
    assert.deepEqual(told(source), [{ version: '1', reason: 'a mistake' }]);
    assert.match(source.store.status()[0]!.error ?? '', /refused, .*cluster "orders\|" connect_timeout/);

    await client.push('cluster', [edsCluster('orders|')]);

    assert.equal(source.store.status()[0]!.error, undefined);
    assert.deepEqual(source.findings().rejected, []);
  });

  it('is told of again when it is bad in another way', async () => {
    await using source = await sourceOnStore();
    await source.client.push('cluster', [badCluster('orders|')]);
    await source.client.push('cluster', [edsCluster('orders|', { connect_timeout: '-2s' })]);

    assert.equal(told(source).length, 2);
  });

  it('is refused by what the checks of the model say as well', async () => {
    await using source = await sourceOnStore();
    const refused = await source.client.push('cluster', [edsCluster('x'.repeat(2000))]);

    assert.match(refused[0]!.reason, /longer than 1024 bytes/);
  });

  it('takes the last good version with it where data errors are to be seen', async () => {
    await using source = await sourceOnStore({ failOnDataErrors: true });
    source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|')]);
    await source.client.push('cluster', [badCluster('orders|')]);

    assert.equal(source.value('cluster', 'orders|'), undefined);
    assert.match(source.absences[0]!.reason, /what came was refused: connect_timeout/);
  });

  for (const kind of ['cluster', 'listener', 'routeConfiguration', 'endpoints', 'extension', 'secret'] as const) {
    it(`is refused when it is no message: ${kind}`, async () => {
      await using source = await sourceOnStore({ mode: 'sidecar' });
      const { client } = source;
      await wantEverything(source);
      const name = {
        cluster: 'orders',
        listener: 'l',
        routeConfiguration: '80',
        endpoints: 'orders',
        extension: 'faults',
        secret: 'ours',
      };
      for (const bytes of [Uint8Array.of(0xff, 0xff, 0xff, 0xff), Uint8Array.of(0x0a, 0x7f, 0x41)]) {
        const refused = await client.push(kind, [{ name: name[kind], bytes }], { isWhole: false });
        assert.deepEqual(
          refused.map((one) => one.name),
          [name[kind]],
        );
        assert.notEqual(refused[0]!.reason, '');
      }
    });
  }

  it('of a table is named by the virtual host that it is in', async () => {
    await using source = await sourceOnStore();
    await wantEverything(source);
    const refused = await source.client.push('routeConfiguration', [
      {
        name: '80',
        virtual_hosts: [virtualHost('orders', 'orders'), virtualHost('cart', 'cart', { routes: [{ match: { prefix: '/' } }] })],
      },
    ]);

    assert.match(refused[0]!.reason, /^virtual_hosts\["cart"\]\.routes\[0\]/);
  });

  it('is a table with a domain that two virtual hosts have, or with two of one name', async () => {
    await using source = await sourceOnStore();
    await wantEverything(source);
    const twoOwners = [virtualHost('a', 'orders', { domains: ['x'] }), virtualHost('b', 'orders', { domains: ['X'] })];
    const sameName = [virtualHost('a', 'orders', { domains: ['x'] }), virtualHost('a', 'orders', { domains: ['y'] })];
    assert.match(
      (await source.client.push('routeConfiguration', [{ name: '80', virtual_hosts: twoOwners }]))[0]!.reason,
      /belongs to/,
    );
    assert.match(
      (await source.client.push('routeConfiguration', [{ name: '80', virtual_hosts: sameName }]))[0]!.reason,
      /two virtual hosts/,
    );
  });

  it('is endpoints without an address that can be dialled', async () => {
    await using source = await sourceOnStore();
    await wantEverything(source);
    const refused = await source.client.push('endpoints', [assignment('orders', '10.0.0.1:99999')]);

    assert.equal(refused.length, 1);
  });

  it('is reported where the stream refused it already', async () => {
    await using source = await sourceOnStore();
    const broken = [{ name: '', reason: 'is a Listener' }];
    assert.deepEqual(await source.client.push('cluster', [edsCluster('a')], { broken }), []);
    assert.equal(told(source).length, 1);
  });

  it('is neither of two that have one name', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|')]);
    const before = source.value('cluster', 'orders|');
    const broken = [{ name: 'orders|', reason: 'it is twice in one response' }];
    await source.client.push('cluster', [edsCluster('orders|', { connect_timeout: '2s' })], { broken });

    assert.equal(source.value('cluster', 'orders|'), before);
  });

  it('stays in the status where the stream refused it, until the next response of its kind', async () => {
    await using source = await sourceOnStore();
    const { client } = source;
    await client.push('cluster', [edsCluster('a')], { broken: [{ name: '', reason: 'its bytes are no Cluster' }] });
    await client.push('listener', [sidecarListener(80)]);
    assert.match(source.store.status()[0]!.error ?? '', /^refused, .*cluster "": its bytes are no Cluster$/);
    assert.deepEqual(
      source.findings().rejected.map(({ key, reason }) => [key, reason]),
      [[{ kind: 'cluster', name: '' }, 'its bytes are no Cluster']],
    );

    await client.push('cluster', [edsCluster('a')]);
    assert.equal(source.store.status()[0]!.error, undefined);
    assert.deepEqual(source.findings().rejected, []);
  });
});

describe('fields without effect', () => {
  const odd = (name: string): object =>
    edsCluster(name, { upstream_bind_config: { source_address: { address: '10.0.0.1', port_value: 0 } } });

  it('are listed by resource and path for what is kept, and by the store for what is in force', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    await source.client.push('cluster', [odd('orders|'), odd('cart|')]);

    const fields = (problems: readonly { readonly key: { readonly name: string }; readonly path: string }[]): string[] =>
      problems.map(({ key, path }) => `${key.name} ${path}`);
    assert.deepEqual(fields(source.findings().unhonoured), ['cart| upstream_bind_config']);
    assert.deepEqual(fields(source.store.status()[0]!.unhonoured), ['orders| upstream_bind_config']);
  });

  it('are one line where many resources have the same ones', async () => {
    await using source = await sourceOnStore();
    await source.client.push(
      'cluster',
      Array.from({ length: 200 }, (_, index) => odd(`cluster-${index}`)),
    );
    const { unhonoured } = source.findings();

    assert.equal(unhonoured.length, 1);
    assert.match(unhonoured[0]!.reason, /here and at 199 others/);
  });
});

describe('what a whole response leaves out', () => {
  it('is gone', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    source.ask('cart|');
    await source.client.push('cluster', [edsCluster('orders|'), edsCluster('cart|')]);
    await source.client.push('cluster', [edsCluster('cart|')]);

    assert.deepEqual([...source.snapshot().clusters.keys()], ['cart|']);
    assert.match(source.absences[0]!.reason, /has 1 clusters/);
  });

  it('stays when it is everything, and the status says so', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|')]);
    await source.client.push('cluster', []);
    assert.equal(source.snapshot().clusters.size, 1);
    assert.match(source.store.status()[0]!.problems[0]!.reason, /nothing is left; all 1 stay/);

    await source.client.push('cluster', [edsCluster('cart|')]);
    assert.equal(source.snapshot().clusters.size, 0, 'what the next one leaves out goes');
    assert.deepEqual(source.store.status()[0]!.problems, []);
  });

  it('goes as well when it is everything and data errors are to be seen', async () => {
    await using source = await sourceOnStore({ failOnDataErrors: true });
    source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|')]);
    await source.client.push('cluster', []);

    assert.equal(source.snapshot().clusters.size, 0);
  });

  it('stays when an incremental response takes everything away at once, until the server says something else', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    const more = { isWhole: false };
    await source.client.push('cluster', [edsCluster('orders|'), edsCluster('cart|')], more);
    await source.client.push('cluster', [], { ...more, removed: ['orders|', 'cart|'] });
    assert.equal(source.snapshot().clusters.size, 1);

    await source.client.push('cluster', [edsCluster('cart|')], more);
    assert.equal(source.snapshot().clusters.size, 0);
  });

  it('goes when an incremental response takes it away', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    const more = { isWhole: false };
    await source.client.push('cluster', [edsCluster('orders|'), edsCluster('cart|')], more);
    await source.client.push('cluster', [], { ...more, removed: ['orders|'] });

    assert.equal(source.snapshot().clusters.size, 0);
  });

  it('is nothing where a part of it could not even be named', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|'), edsCluster('cart|')]);
    const broken = [{ name: '', reason: 'its bytes are no envoy.config.cluster.v3.Cluster' }];
    await source.client.push('cluster', [], { broken });
    await source.client.push('cluster', [edsCluster('cart|')], { broken });
    assert.deepEqual([...source.snapshot().clusters.keys()], ['orders|']);

    await source.client.push('cluster', [edsCluster('cart|')]);
    assert.equal(source.snapshot().clusters.size, 0, 'what the next good one leaves out goes');
  });

  it('is not what was refused in it', async () => {
    await using source = await sourceOnStore();
    source.ask('orders|');
    await source.client.push('cluster', [edsCluster('orders|'), edsCluster('cart|')]);
    await source.client.push('cluster', [badCluster('orders|'), edsCluster('cart|')]);

    assert.equal(source.snapshot().clusters.size, 1);
  });
});

/** Subscribes to one resource of each kind. */
async function wantEverything(source: SourceOnStore): Promise<void> {
  const { client } = source;
  source.ask('orders:80');
  await client.push('cluster', [edsCluster('orders', { transport_socket: tlsNaming('ours') })]);
  await client.push('listener', [
    sidecarListener(80, {
      filters: [
        {
          name: 'faults',
          config_discovery: {
            config_source: { ads: {} },
            type_urls: ['type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault'],
          },
        },
      ],
    }),
  ]);
  await source.settled();
  client.absent('extension', 'faults', 'not there');
  await source.settled();
  await client.push('routeConfiguration', [routeTable('80', { orders: 'orders' })]);
  await source.settled();
}

function tlsNaming(secret: string): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      common_tls_context: { tls_certificate_sds_secret_configs: [{ name: secret, sds_config: { ads: {} } }] },
    },
  };
}
