import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { createVirtualClock, expectRoute, fakeControlPlane, fakeUpstream } from 'meshfetch/testing';
import { services } from './services.mjs';
import { total } from './shop.mjs';

describe('the shop', () => {
  let orders, prices, beta, plane, mesh;

  beforeEach(async () => {
    orders = await fakeUpstream({ reply: { json: { items: [{ name: 'cup', price: 8 }] } } });
    prices = await fakeUpstream({ reply: { json: { price: 5 } } });
    beta = await fakeUpstream({ reply: { json: { price: 4 } } });
    plane = fakeControlPlane({
      services: services({
        orders: [orders.address],
        prices: [
          { address: prices.address, metadata: { version: '1' } },
          { address: beta.address, metadata: { version: '2' } },
        ],
      }),
    });
    mesh = await createMesh({ controlPlane: plane, unknownHosts: 'refuse', drainTimeoutMs: 0 });
    await mesh.ready();
  });

  afterEach(async () => {
    await mesh.close();
    await Promise.all([orders.stop(), prices.stop(), beta.stop()]);
  });

  it('adds up the prices of an order', async () => {
    assert.equal(await total(mesh, 42), 5);
    assert.equal(orders.requests[0].path, '/42');
    assert.equal(prices.requests[0].path, '/cup');
  });

  it('asks again when an instance is overloaded, and when a connection breaks', async () => {
    orders.next(503, { fault: 'reset' });
    assert.equal(await total(mesh, 42), 5);
    assert.equal(orders.requests.length, 3);
  });

  it('takes the price of the order when nobody knows a better one', async () => {
    await prices.stop();
    assert.equal(await total(mesh, 42), 8);
    await prices.start();
    prices.when({ path: '/cup' }, 404);
    assert.equal(await total(mesh, 42), 8);
  });

  it('sends testers to the new prices, and nobody else', () => {
    const tester = { url: 'http://prices/cup', headers: { 'x-beta': 'yes' } };
    expectRoute(mesh, tester).toReach('prices', { subset: 'beta', endpoint: beta });
    expectRoute(mesh, 'http://prices/cup').not.toReach('prices', { subset: 'beta' });
  });

  it('follows the services when they move', async () => {
    const moved = await fakeUpstream({ reply: { json: { items: [] } } });
    await plane.set({ services: { orders: { endpoints: [moved.address] } } });
    assert.equal(await total(mesh, 42), 0);
    plane.away(); // the last good configuration stays in force
    assert.equal(await total(mesh, 42), 0);
    await moved.stop();
  });

  it('gives up after two seconds, which take no time here', async () => {
    const clock = createVirtualClock();
    orders.reply({ fault: 'hang' });
    const { orders: service } = services({ orders: [orders.address] });
    const impatient = await createMesh({ controlPlane: { services: { orders: service } }, clock, drainTimeoutMs: 0 });
    const outcome = total(impatient, 42).catch((error) => error.cause);
    await orders.received(); // the request is there …
    await clock.advance(2000); // … and two seconds pass
    assert.equal((await outcome).code, 'MESH_TIMEOUT');
    await impatient.close();
  });
});
