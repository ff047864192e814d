import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { LoopDelay } from '../../../../src/base/loop-delay.ts';
import type { Criticality } from '../../../../src/base/request-context.ts';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { InboundAdmission, ListenerLoad, ListenerLoads } from '../../../../src/data-plane/inbound/admission.ts';
import { writeRefusal } from '../../../../src/data-plane/inbound/refusal.ts';
import type { AdmissionConfig } from '../../../../src/model/policy.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

const clock = createVirtualClock();

function createSome(config: AdmissionConfig, load = new ListenerLoad()): InboundAdmission {
  return new InboundAdmission(config, load, new LoopDelay(clock), seededRandom(1));
}

/** How many requests of a class are let in until one is refused, and the details of that refusal. */
function fill(admission: InboundAdmission, criticality: Criticality): readonly [number, string] {
  for (let count = 0; ; count++) {
    const refused = admission.admit(0, criticality);
    if (refused !== undefined) return [count, refused.details];
  }
}

describe('the admission of a listener', () => {
  const shares = [
    { criticality: 'sheddable', places: 75 },
    { criticality: 'sheddable-plus', places: 90 },
    { criticality: 'critical', places: 100 },
    { criticality: 'critical-plus', places: 100 },
  ] as const;
  for (const { criticality, places } of shares) {
    it(`gives ${criticality} requests ${places} of 100 places`, () => {
      assert.deepEqual(fill(createSome({ maxRequests: 100 }), criticality), [places, 'overload{max_requests}']);
    });
  }

  it('lets one request in under the smallest cap, however little it matters', () => {
    assert.deepEqual(fill(createSome({ maxRequests: 1 }), 'sheddable'), [1, 'overload{max_requests}']);
  });

  it('refuses above the adaptive limit, which grows with what is answered and shrinks with what is late', () => {
    const admission = createSome({ adaptive: { algorithm: 'aimd', minLimit: 1, initialLimit: 20 } });
    assert.deepEqual(fill(admission, 'critical'), [20, 'reached_concurrency_limit']);
    for (let index = 0; index < 20; index++) admission.release('late', 5000, 20, index * 2000);
    assert.ok(admission.limit! < 20, String(admission.limit));
    assert.equal(admission.inFlight, 0);
  });

  it('learns nothing from what another part of the policy refused', () => {
    const admission = createSome({ adaptive: { algorithm: 'aimd', minLimit: 1, initialLimit: 20 } });
    for (let index = 0; index < 100; index++) {
      admission.admit(index * 2000, 'critical');
      admission.release('ignored', 5000, 20, index * 2000);
    }
    assert.equal(admission.limit, 20);
  });

  it('says when to come back, with the status of the configuration', () => {
    const admission = createSome({ maxRequests: 1, status: 429, retryAfterSeconds: 7 });
    admission.admit(0, 'critical');
    const refused = admission.admit(0, 'critical')!;
    assert.deepEqual([refused.status, refused.headers['retry-after'], refused.grpcStatus], [429, '7', 14]);
  });

  it('makes no object for a refusal', () => {
    const admission = createSome({ maxRequests: 1 });
    admission.admit(0, 'critical');
    assert.equal(admission.admit(0, 'critical'), admission.admit(0, 'sheddable'));
  });

  it('counts the requests of all chains of a listener together, also across a change of its configuration', () => {
    const loads = new ListenerLoads();
    const before = createSome({ maxRequests: 10 }, loads.of('file', 'inbound'));
    fill(before, 'critical');
    const after = createSome({ maxRequests: 12 }, loads.of('file', 'inbound'));
    assert.equal(fill(after, 'critical')[0], 2);
    assert.equal(fill(createSome({ maxRequests: 10 }, loads.of('file', 'other')), 'critical')[0], 10);
    for (let index = 0; index < 10; index++) before.release(200, 1, 1, 0);
    assert.equal(after.inFlight, 2);
  });

  it('keeps what an adaptive limit has learnt when something else of its configuration changes', () => {
    const load = new ListenerLoad();
    const adaptive = { algorithm: 'aimd', minLimit: 1, initialLimit: 20 } as const;
    const before = createSome({ adaptive }, load);
    fill(before, 'critical');
    for (let index = 0; index < 20; index++) before.release('late', 5000, 20, index * 2000);
    assert.equal(createSome({ adaptive: { ...adaptive }, status: 429 }, load).limit, before.limit);
    assert.equal(createSome({ adaptive: { ...adaptive, initialLimit: 21 } }, load).limit, 21);
  });
});

describe('a server with twice as many callers as places', () => {
  it('serves as many as it has places, the critical ones first, and tells the others when to come back', async () => {
    const admission = createSome({ maxRequests: 20 });
    const waiting: ServerResponse[] = [];
    const server = createServer((request, response) => {
      const refused = admission.admit(clock.now(), request.headers['x-request-criticality'] as Criticality);
      if (refused !== undefined) {
        writeRefusal(request, response, refused);
        return;
      }
      const { inFlight } = admission;
      response.once('close', () => admission.release(response.statusCode, 1, inFlight, clock.now()));
      waiting.push(response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const send = (criticality: Criticality): Promise<Response> =>
      fetch(url, { headers: { 'x-request-criticality': criticality } });
    /** All have come in, or were answered: nothing is timed. */
    const seen = async (places: number, others: readonly Promise<Response>[]): Promise<readonly Response[]> => {
      const refused = await Promise.all(others);
      while (waiting.length < places) await new Promise((resolve) => setImmediate(resolve));
      return refused;
    };
    // 15 of the 20 places are as many as sheddable requests may have; of 20 critical ones five find a place.
    const held: Promise<Response>[] = [];
    for (let index = 0; index < 15; index++) held.push(send('sheddable'));
    await seen(15, []);
    const shed = await seen(
      15,
      [1, 2, 3, 4, 5].map(() => send('sheddable')),
    );
    for (let index = 0; index < 5; index++) held.push(send('critical'));
    await seen(20, []);
    const late = await seen(
      20,
      Array.from({ length: 15 }, () => send('critical')),
    );
    for (const response of [...shed, ...late]) {
      assert.equal(response.status, 503);
      assert.equal(response.headers.get('retry-after'), '1');
      assert.equal(await response.text(), 'too many requests are under way');
    }
    for (const response of waiting) response.end('done');
    const answered = await Promise.all(held.map(async (response) => (await response).text()));
    assert.deepEqual(
      answered,
      Array.from({ length: 20 }, () => 'done'),
    );
    while (admission.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(admission.admit(clock.now(), 'sheddable'), undefined);
    server.close();
    server.closeAllConnections();
  });
});
