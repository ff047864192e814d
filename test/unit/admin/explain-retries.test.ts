/** `explain` has a verdict on every word that a retry policy may have, also where the word alone says too little to be met. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { compileEnvoy, envoyControlPlane } from 'meshfetch/testing';
import { grpcRetryConditions, httpRetryConditions } from '../../../src/model/retry-conditions.ts';

const endpoint = { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: 9 } } } };
const cluster = {
  name: 'orders',
  type: 'STATIC',
  load_assignment: { cluster_name: 'orders', endpoints: [{ lb_endpoints: [endpoint] }] },
};

async function notRetried(retryPolicy: object, method = 'GET') {
  const route = { match: { prefix: '/' }, route: { cluster: 'orders', retry_policy: retryPolicy } };
  const routes = { name: 'routes', virtual_hosts: [{ name: 'orders', domains: ['*'], routes: [route] }] };
  await using mesh = await createMesh({ controlPlane: envoyControlPlane(compileEnvoy([routes, cluster])) });
  await mesh.ready();
  const { notRetried: list = [], retry, verdict } = mesh.explain('http://orders/', { method });
  assert.ok(retry !== undefined, 'the policy is in force');
  assert.match(verdict, /1 of 1 endpoints healthy/);
  return list;
}

describe('explain of a route with retries', () => {
  for (const word of [...httpRetryConditions, ...grpcRetryConditions]) {
    for (const method of ['GET', 'POST']) {
      it(`has a verdict on ${word} alone for a ${method}`, async () => {
        const list = await notRetried({ retry_on: word }, method);
        assert.ok(list.every(({ on, reason }) => on === word && reason !== ''));
      });
    }
  }

  // Istio's own policy of 1.31, without a list of codes.
  for (const extra of [{}, { retriable_status_codes: [] }]) {
    it(`says that a status is retried by no list: ${JSON.stringify(extra)}`, async () => {
      const list = await notRetried({
        retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
        ...extra,
      });
      assert.deepEqual(list, [{ on: 'retriable-status-codes', reason: 'the policy lists no status codes' }]);
    });
  }
});
