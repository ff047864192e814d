import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { compileEnvoy, route } from 'meshfetch/testing';

const compiled = compileEnvoy(readFileSync('routes.yaml', 'utf8'));

describe('the routes of orders', () => {
  it('send testers to the new version', () => {
    const { cluster, path } = route(compiled, { url: 'http://orders/api/items', headers: { 'x-beta': 'true' } });
    assert.equal(cluster, 'orders-v2');
    assert.equal(path, '/v2/items');
  });

  it('send one of ten others there', () => {
    const counts = { 'orders-v1': 0, 'orders-v2': 0 };
    for (let random = 0; random < 100; random++) counts[route(compiled, { host: 'orders', path: '/api' }, { random }).cluster]++;
    assert.deepEqual(counts, { 'orders-v1': 90, 'orders-v2': 10 });
  });

  it('keep internal headers inside', () => {
    const { headers } = route(compiled, { url: 'http://orders/api', headers: { 'x-internal': 'secret', accept: 'text/html' } });
    assert.deepEqual(headers, [['accept', 'text/html']]);
  });

  it('give a request three seconds and three attempts', () => {
    const { timeoutMs, retry } = route(compiled, { url: 'http://orders/api' });
    assert.equal(timeoutMs, 3000);
    assert.equal(retry.maxAttempts, 3);
  });

  it('redirect the old shop, and answer nothing else', () => {
    assert.equal(route(compiled, { url: 'http://orders/shop?a=1' }).location, 'https://shop.example/shop?a=1');
    assert.equal(route(compiled, { url: 'http://orders/' }).status, 404);
  });
});
