import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Mesh } from '../../../src/index.ts';
import { destination, hostOf, policyOf, routesOf, serviceOf } from './documents.ts';
import { startEcho, tally, type Echo, type Echoed } from './instances.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, troubleOf } from './mesh-in-pod.ts';

describe('routes of a real istiod', { timeout: 120_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let one: Echo;
  let two: Echo;
  before(async () => {
    istiod = await startIstiod();
    [one, two] = [await startEcho('one'), await startEcho('two')];
    const versions = [
      { port: one.port, version: 'v1' },
      { port: two.port, version: 'v2' },
    ];
    const subsets = {
      subsets: [
        { name: 'v1', labels: { version: 'v1' } },
        { name: 'v2', labels: { version: 'v2' } },
      ],
    };
    await istiod.configure('services', [
      serviceOf('split', versions),
      policyOf('split', subsets),
      routesOf('split', [{ route: [destination('split', 'v1', 80), destination('split', 'v2', 20)] }]),
      serviceOf('matched', versions),
      policyOf('matched', subsets),
      routesOf('matched', [
        { match: [{ headers: { 'x-canary': { exact: '1' } } }], route: [destination('matched', 'v2')] },
        { match: [{ uri: { prefix: '/two/' } }], route: [destination('matched', 'v2')] },
        { match: [{ uri: { regex: '/items/[0-9]+' } }], route: [destination('matched', 'v2')] },
        { match: [{ method: { exact: 'DELETE' } }], route: [destination('matched', 'v2')] },
        { match: [{ queryParams: { version: { exact: '2' } } }], route: [destination('matched', 'v2')] },
        { route: [destination('matched', 'v1')] },
      ]),
      serviceOf('edited', [{ port: one.port }]),
      routesOf('edited', [
        { match: [{ uri: { prefix: '/old/' } }], rewrite: { uri: '/new/' }, route: [destination('edited')] },
        {
          match: [{ uri: { prefix: '/elsewhere' } }],
          rewrite: { authority: 'elsewhere.example' },
          route: [destination('edited')],
        },
        { match: [{ uri: { prefix: '/moved' } }], redirect: { uri: '/here', authority: 'moved.example', redirectCode: 302 } },
        { match: [{ uri: { prefix: '/closed' } }], directResponse: { status: 418, body: { string: 'closed' } } },
        {
          headers: {
            request: { set: { 'x-set': 'by the mesh' }, remove: ['x-secret'] },
            response: { add: { 'x-answered': 'by the mesh' } },
          },
          route: [destination('edited')],
        },
      ]),
    ]);
    await isTold(istiod, 'edited');
    ({ mesh } = await meshIn(istiod));
  });
  after(async () => {
    await mesh?.close();
    await istiod[Symbol.asyncDispose]();
    for (const instance of [one, two]) await instance?.stop();
  });
  const urlOf = (service: string, path = '/'): string => `http://${hostOf(service)}${path}`;
  const ask = async (url: string, init?: RequestInit): Promise<Echoed> => (await mesh.fetch(url, init)).json() as Promise<Echoed>;

  it('splits traffic by weight, within two percent', async () => {
    const requests = 4000;
    const counts = await tally(mesh.fetch, urlOf('split'), requests);
    const percent = ((counts['two'] ?? 0) / requests) * 100;
    assert.ok(Math.abs(percent - 20) <= 2, `${percent} % instead of 20 %`);
  });

  const matches: readonly { name: string; path?: string; init?: RequestInit; who: string }[] = [
    { name: 'no-rule', who: 'one' },
    { name: 'header', init: { headers: { 'x-canary': '1' } }, who: 'two' },
    { name: 'header-of-another-value', init: { headers: { 'x-canary': '2' } }, who: 'one' },
    { name: 'prefix', path: '/two/x', who: 'two' },
    { name: 'not-the-prefix', path: '/twox', who: 'one' },
    { name: 'regex', path: '/items/42', who: 'two' },
    { name: 'not-the-regex', path: '/items/x', who: 'one' },
    { name: 'method', init: { method: 'DELETE' }, who: 'two' },
    { name: 'query', path: '/?version=2', who: 'two' },
  ];
  for (const { name, path, init, who } of matches) {
    it(`chooses by what the request says (${name})`, async () => {
      assert.equal((await ask(urlOf('matched', path), init)).name, who);
    });
  }

  it('rewrites the path, and the host', async () => {
    assert.equal((await ask(urlOf('edited', '/old/page?q=1'))).url, '/new/page?q=1');
    assert.equal((await ask(urlOf('edited', '/elsewhere'))).host, 'elsewhere.example');
  });

  it('redirects', async () => {
    const response = await mesh.fetch(urlOf('edited', '/moved/x'), { redirect: 'manual' });
    assert.equal(response.status, 302);
    assert.equal(response.headers.get('location'), 'http://moved.example/here');
  });

  it('answers itself', async () => {
    const response = await mesh.fetch(urlOf('edited', '/closed'));
    assert.equal(response.status, 418);
    assert.equal(await response.text(), 'closed');
  });

  it('edits headers both ways', async () => {
    const response = await mesh.fetch(urlOf('edited'), { headers: { 'x-secret': 'x' } });
    assert.equal(response.headers.get('x-answered'), 'by the mesh');
    const { headers } = (await response.json()) as Echoed;
    assert.equal(headers['x-set'], 'by the mesh');
    assert.equal('x-secret' in headers, false);
  });

  it('takes everything that istiod sent', () => {
    assert.equal(troubleOf(mesh), undefined);
  });
});
