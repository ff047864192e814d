import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Mesh } from '../../../src/index.ts';
import { destination, hostOf, policyOf, routesOf, serviceOf } from './documents.ts';
import { startEcho, tally, type Echo } from './instances.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, troubleOf, until, web } from './mesh-in-pod.ts';

describe('policies of a real istiod', { timeout: 120_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let a: Echo;
  let b: Echo;
  let c: Echo;
  before(async () => {
    istiod = await startIstiod();
    [a, b, c] = [await startEcho('a'), await startEcho('b'), await startEcho('c')];
    const all = [{ port: a.port }, { port: b.port }, { port: c.port }];
    const never = { retries: { attempts: 0 } };
    await istiod.configure('services', [
      serviceOf('ejecting', all),
      policyOf('ejecting', {
        trafficPolicy: {
          outlierDetection: { consecutive5xxErrors: 3, interval: '1s', baseEjectionTime: '2s', maxEjectionPercent: 50 },
        },
      }),
      routesOf('ejecting', [{ ...never, route: [destination('ejecting')] }]),
      serviceOf('retried', all),
      // A third of the requests is retried: more than the budget that a cluster has of itself.
      policyOf('retried', { trafficPolicy: { retryBudget: { percent: 100, minRetryConcurrency: 10 } } }),
      routesOf('retried', [{ retries: { attempts: 3, perTryTimeout: '2s', retryOn: '5xx' }, route: [destination('retried')] }]),
      serviceOf('slow', [{ port: a.port }]),
      routesOf('slow', [{ ...never, timeout: '0.3s', route: [destination('slow')] }]),
      serviceOf('faulty', [{ port: a.port }]),
      routesOf('faulty', [
        {
          match: [{ headers: { 'x-fault': { exact: 'abort' } } }],
          fault: { abort: { httpStatus: 451, percentage: { value: 100 } } },
          route: [destination('faulty')],
        },
        {
          match: [{ headers: { 'x-fault': { exact: 'delay' } } }],
          fault: { delay: { fixedDelay: '0.4s', percentage: { value: 100 } } },
          route: [destination('faulty')],
        },
        { route: [destination('faulty')] },
      ]),
      serviceOf('mirrored', [{ port: a.port }]),
      serviceOf('shadow', [{ port: b.port }]),
      routesOf('mirrored', [
        { route: [destination('mirrored')], mirror: { host: hostOf('shadow') }, mirrorPercentage: { value: 100 } },
      ]),
      serviceOf('regional', [
        { port: a.port, locality: 'eu/eu-1' },
        { port: b.port, locality: 'eu/eu-2' },
        { port: c.port, locality: 'us/us-1' },
      ]),
      policyOf('regional', {
        trafficPolicy: {
          outlierDetection: { consecutive5xxErrors: 2, interval: '1s', baseEjectionTime: '60s', maxEjectionPercent: 100 },
        },
      }),
    ]);
    await isTold(istiod, 'regional');
    ({ mesh } = await meshIn(istiod, { ...web, labels: { ...web.labels, 'topology.istio.io/locality': 'eu.eu-1' } }));
  });
  after(async () => {
    await mesh?.close();
    await istiod[Symbol.asyncDispose]();
    for (const instance of [a, b, c]) await instance?.stop();
  });
  const urlOf = (service: string): string => `http://${hostOf(service)}/`;
  const failWith =
    (status: number): NonNullable<Echo['answer']> =>
    (_request, response) => {
      response.statusCode = status;
      response.end();
    };

  it('ejects an endpoint after three failures in a row, and lets it back in', async () => {
    b.answer = failWith(500);
    const first = await tally(mesh.fetch, urlOf('ejecting'), 60, 1);
    assert.equal(first['500'], 3, JSON.stringify(first));
    assert.equal(first['b'], undefined);
    b.answer = undefined;
    const startedMs = performance.now();
    await until(async () => ((await tally(mesh.fetch, urlOf('ejecting'), 5, 1))['b'] === undefined ? undefined : true));
    // It may come back after two seconds; the sweep that lets it does so once a second.
    const awayMs = performance.now() - startedMs;
    assert.ok(awayMs > 1000 && awayMs < 4500, `back after ${Math.round(awayMs)} ms`);
  });

  it('retries elsewhere what the rule says', async () => {
    b.answer = failWith(503);
    assert.deepEqual(Object.keys(await tally(mesh.fetch, urlOf('retried'), 60)).sort(), ['a', 'c']);
    b.answer = undefined;
  });

  it('gives up after the timeout of the rule', async () => {
    a.answer = () => {};
    const startedMs = performance.now();
    await assert.rejects(mesh.fetch(urlOf('slow')), (error: Error) => {
      assert.equal((error.cause as { code: string }).code, 'MESH_TIMEOUT');
      return true;
    });
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs >= 290 && tookMs < 1000, `${tookMs} ms`);
    a.answer = undefined;
  });

  it('injects faults', async () => {
    assert.equal((await mesh.fetch(urlOf('faulty'), { headers: { 'x-fault': 'abort' } })).status, 451);
    const startedMs = performance.now();
    assert.equal((await mesh.fetch(urlOf('faulty'), { headers: { 'x-fault': 'delay' } })).status, 200);
    assert.ok(performance.now() - startedMs >= 395);
    assert.equal((await mesh.fetch(urlOf('faulty'))).status, 200);
  });

  it('mirrors requests to another service', async () => {
    const { length } = b.requests;
    assert.deepEqual(await tally(mesh.fetch, urlOf('mirrored'), 10), { a: 10 });
    await until(() => (b.requests.length >= length + 10 ? true : undefined));
    // istiod asks for no suffix (DISABLE_SHADOW_HOST_SUFFIX is on).
    assert.equal(b.requests.at(-1)?.host, hostOf('mirrored'));
  });

  it('stays in its zone, and leaves it when the endpoints there fail', async () => {
    assert.deepEqual(await tally(mesh.fetch, urlOf('regional'), 30), { a: 30 });
    a.answer = failWith(500);
    await until(async () => ((await tally(mesh.fetch, urlOf('regional'), 5, 1))['500'] === undefined ? true : undefined));
    assert.deepEqual(await tally(mesh.fetch, urlOf('regional'), 30), { b: 30 });
    a.answer = undefined;
  });

  it('takes everything that istiod sent', () => {
    assert.equal(troubleOf(mesh), undefined);
  });
});
