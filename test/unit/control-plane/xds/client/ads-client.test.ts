import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { typeUrls } from '../../../../../src/control-plane/xds/client/contract.ts';
import { namedResource } from '../../../../support/ads-server.ts';
import { variants, withClient } from '../../../../support/ads-client.ts';

const { cluster, endpoints, listener } = typeUrls;

for (const variant of variants)
  describe(`an ADS client (${variant})`, () => {
    it('sends all names of a kind in one request, and the node in the first request only', async (t) => {
      const { client, server } = await withClient(t, { variant });
      client.subscribe(endpoints, 'cart');
      client.subscribe(endpoints, 'pay');
      client.subscribe(cluster, '*');
      await server.seen((request) => request.typeUrl === cluster);
      assert.deepEqual(
        server.requests.map(({ typeUrl, names, node, version, nonce }) => [typeUrl, names, node !== undefined, version, nonce]),
        [
          [endpoints, ['cart', 'pay'], true, '', ''],
          [cluster, [], false, '', ''],
        ],
      );
    });

    it('hands over what the server sends and acknowledges it', async (t) => {
      const { client, server, heard } = await withClient(t, { variant });
      server.push(cluster, { cart: namedResource('cart'), pay: namedResource('pay') });
      client.subscribe(cluster, '*');
      const ack = await server.seen((request) => request.nonce !== '');
      assert.deepEqual(heard.names(cluster), ['cart', 'pay']);
      assert.equal(ack.error, undefined);
      if (variant === 'state-of-the-world') assert.equal(ack.version, '1');
    });

    it('says what it refuses, by name and with the reason', async (t) => {
      const { client, server, heard } = await withClient(t, { variant });
      heard.refuse = ({ name }) => (name === 'pay' ? 'lb_policy: 99 is none' : undefined);
      server.push(cluster, { cart: namedResource('cart'), pay: namedResource('pay') });
      client.subscribe(cluster, '*');
      const nack = await server.seen((request) => request.nonce !== '');
      assert.deepEqual(nack.error, { code: 3, message: 'pay: lb_policy: 99 is none' });
      assert.equal(nack.version, '');
    });

    it('subscribes again after the server was away, with what it knows', async (t) => {
      const { client, server, clock } = await withClient(t, { variant });
      server.push(listener, { here: namedResource('here') }, 'v7');
      client.subscribe(listener, '*');
      await server.seen((request) => request.nonce !== '');
      server.stop();
      await server.start();
      const before = server.requests.length;
      await clock.untilOpen(server, 2);
      const again = await server.seen((request) => server.requests.indexOf(request) >= before);
      assert.equal(again.nonce, '');
      assert.ok(again.node !== undefined);
      if (variant === 'delta') assert.deepEqual(again.initialVersions, { here: 'v7' });
      else assert.equal(again.version, 'v7');
    });
  });
