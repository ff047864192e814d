import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Mesh } from '../../../src/index.ts';
import { destination, hostOf, policyOf, routesOf, serviceOf } from './documents.ts';
import { startEcho, tally, type Echo } from './instances.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, web } from './mesh-in-pod.ts';

const requests = 600;
/** 15 % of the requests, ten in reserve, and one a second. Source: the default budget. */
const mostRetries = 0.15 * requests + 10 + 5;

describe('retries as a real istiod asks for them', { timeout: 120_000 }, () => {
  let istiod: Istiod;
  /** What istiod does not say is not done, as in a sidecar. */
  let mesh: Mesh;
  /** As a mesh is by default: endpoints are compared with their peers where istiod asks for no outlier detection. */
  let detecting: Mesh;
  let a: Echo;
  let b: Echo;
  let c: Echo;
  before(async () => {
    istiod = await startIstiod();
    [a, b, c] = [await startEcho('a'), await startEcho('b'), await startEcho('c')];
    const all = [{ port: a.port }, { port: b.port }, { port: c.port }];
    const withOneRefusing = [{ port: a.port }, { port: b.port }, { port: 1 }];
    const thrice = (service: string): ReturnType<typeof routesOf> =>
      routesOf(service, [{ retries: { attempts: 3, retryOn: '5xx' }, route: [destination(service)] }]);
    const budget = { trafficPolicy: { retryBudget: { percent: 100, minRetryConcurrency: 20 } } };
    await istiod.configure('services', [
      serviceOf('untold', all),
      serviceOf('refusing', withOneRefusing),
      serviceOf('refusing-budget', withOneRefusing),
      policyOf('refusing-budget', budget),
      serviceOf('thrice', all),
      thrice('thrice'),
      serviceOf('thrice-all-fail', all),
      thrice('thrice-all-fail'),
      serviceOf('thrice-budget', all),
      thrice('thrice-budget'),
      policyOf('thrice-budget', budget),
      serviceOf('by-code', all),
      routesOf('by-code', [{ retries: { attempts: 2, retryOn: '418' }, route: [destination('by-code')] }]),
      policyOf('by-code', budget),
      serviceOf('per-try', all),
      routesOf('per-try', [
        { retries: { attempts: 2, perTryTimeout: '0.1s', retryOn: '5xx' }, timeout: '2s', route: [destination('per-try')] },
      ]),
      policyOf('per-try', budget),
      ...[true, false].flatMap((retryRemoteLocalities) => {
        const service = retryRemoteLocalities ? 'remote' : 'local';
        return [
          serviceOf(service, [
            { port: a.port, locality: 'eu/eu-1' },
            { port: b.port, locality: 'us/us-1' },
            { port: c.port, locality: 'eu/eu-1' },
          ]),
          routesOf(service, [{ retries: { attempts: 2, retryOn: '5xx', retryRemoteLocalities }, route: [destination(service)] }]),
          policyOf(service, {
            trafficPolicy: { ...budget.trafficPolicy, outlierDetection: { consecutive5xxErrors: 1000, interval: '60s' } },
          }),
        ];
      }),
    ]);
    await isTold(istiod, 'untold');
    ({ mesh } = await meshIn(istiod, web, { outlierDetection: 'as-configured' }));
    ({ mesh: detecting } = await meshIn(istiod));
  });
  after(async () => {
    await mesh?.close();
    await detecting?.close();
    await istiod[Symbol.asyncDispose]();
    for (const instance of [a, b, c]) await instance?.stop();
  });

  /** Asks so often, ten at a time: how many failed, and how many attempts reached an instance. */
  async function load(service: string, by: Mesh = mesh): Promise<{ readonly failed: number; readonly attempts: number }> {
    const reached = (): number => a.requests.length + b.requests.length + c.requests.length;
    const before = reached();
    let [left, failed] = [requests, 0];
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        const response = await by.fetch(`http://${hostOf(service)}/`).catch(() => undefined);
        await response?.arrayBuffer();
        if (response?.status !== 200) failed++;
      }
    };
    await Promise.all(Array.from({ length: 10 }, worker));
    return { failed, attempts: reached() - before };
  }
  const status503: Echo['answer'] = (_request, response) => {
    response.statusCode = 503;
    response.end();
  };
  const reset: Echo['answer'] = (request) => void request.socket.destroy();

  for (const [what, answer] of [
    ['503', status503],
    ['reset', reset],
  ] as const) {
    it(`repeats nothing that an instance may have worked on, where no rule says so (${what})`, async () => {
      c.answer = answer;
      const { failed, attempts } = await load('untold');
      c.answer = undefined;
      assert.equal(attempts, requests);
      assert.ok(failed > requests / 10, `${failed} of ${requests} failed: a third of the instances does`);
    });

    it(`adds no more than the default budget to what a rule asks for, whatever istiod says of max_retries (${what})`, async () => {
      c.answer = answer;
      const { failed, attempts } = await load('thrice');
      c.answer = undefined;
      assert.ok(attempts - requests <= mostRetries, `${attempts} attempts`);
      assert.ok(attempts - requests >= requests / 20, `${attempts} attempts`);
      assert.ok(failed > 0, 'none failed');
    });

    it(`repeats all of it under a budget of the DestinationRule that is large enough (${what})`, async () => {
      c.answer = answer;
      const { failed } = await load('thrice-budget');
      c.answer = undefined;
      assert.equal(failed, 0);
    });
  }

  it('does not multiply the load of a service that fails as a whole', async () => {
    a.answer = b.answer = c.answer = status503;
    const { failed, attempts } = await load('thrice-all-fail');
    a.answer = b.answer = c.answer = undefined;
    assert.equal(failed, requests);
    // A sidecar would send four times as many.
    assert.ok(attempts - requests <= mostRetries, `${attempts} attempts`);
  });

  it('moves what found no connection to another instance beside the default budget; one of the DestinationRule counts it', async () => {
    // At most one move of a request is free; the second of three instances that it is sent to takes connections.
    assert.equal((await load('refusing')).failed, 0);
    assert.equal((await load('refusing-budget')).failed, 0);
  });

  it('fails next to nothing of what one instance of three would, since that one is taken out by default', async () => {
    const refused = await load('refusing', detecting);
    c.answer = status503;
    const broken = await load('untold', detecting);
    c.answer = undefined;
    // What is lost before it is out; a third of all would be without.
    for (const { failed } of [refused, broken]) assert.ok(failed <= requests / 20, `${failed} of ${requests} failed`);
  });

  it('repeats the codes that the rule names', async () => {
    c.answer = (_request, response) => {
      response.statusCode = 418;
      response.end();
    };
    const counts = await tally(mesh.fetch, `http://${hostOf('by-code')}/`, 60, 1);
    c.answer = undefined;
    assert.deepEqual(Object.keys(counts).sort(), ['a', 'b']);
  });

  it('leaves an instance that does not answer in the time for one attempt', async () => {
    c.answer = () => {};
    const counts = await tally(mesh.fetch, `http://${hostOf('per-try')}/`, 12, 3);
    c.answer = undefined;
    assert.deepEqual(Object.keys(counts).sort(), ['a', 'b']);
  });

  it('repeats in its region while somebody is left there, and in another one where the rule lets it', async () => {
    const labels = { ...web.labels, 'topology.istio.io/locality': 'eu.eu-1' };
    const { mesh: placed } = await meshIn(istiod, { ...web, labels });
    await using _ = placed;
    a.answer = status503;
    assert.deepEqual(await tally(placed.fetch, `http://${hostOf('local')}/`, 20, 1), { c: 20 });
    c.answer = status503;
    assert.deepEqual(await tally(placed.fetch, `http://${hostOf('remote')}/`, 20, 1), { b: 20 });
    a.answer = c.answer = undefined;
  });
});
