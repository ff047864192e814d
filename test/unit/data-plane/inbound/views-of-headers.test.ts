import assert from 'node:assert/strict';
import { it } from 'node:test';
import { callerContext } from '../../../../src/data-plane/inbound/caller-context.ts';
import { nodeRequest } from '../../../support/node-request.ts';

/** How often `headers` is read while the context of a caller is made. */
function reads(...lines: string[]): number {
  const request = nodeRequest(['Host', 'orders', 'Authorization', 'Bearer a', 'Content-Type', 'text/plain', ...lines]);
  let count = 0;
  const watched = new Proxy(request, {
    get(target, name) {
      if (name === 'headers') count += 1;
      return Reflect.get(target, name, target) as unknown;
    },
  });
  callerContext(watched, true, 0);
  return count;
}

it("had Node's view of the headers made for requests that say nothing of a deadline, and again when a token was taken off", () => {
  assert.equal(reads(), 0);
  assert.notEqual(reads('Grpc-Timeout', '1S'), 0);
  assert.notEqual(reads('X-Mesh-Criticality-Of-Nobody', 'x', 'X-Envoy-Attempt-Count', '2'), 0);
});
