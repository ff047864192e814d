import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { compileEnvoy, route } from 'meshfetch/testing';
import { parseMeshFile } from '../../../src/control-plane/file/index.ts';
import { translateMeshFile } from '../../../src/control-plane/file/translate.ts';
import { knownDifferences } from '../../oracle/differences.ts';
import { readText, root, sectionOf, tableRows } from './markdown.ts';

const folder = 'docs/examples/come-from-envoy';
const page = readText('docs/how-to/come-from-envoy.md');

/** Requests for each route, and the draws that lead to each of its clusters. */
const requests: readonly { name: string; path: string; headers?: Record<string, string>; draws: readonly number[] }[] = [
  { name: 'canary', path: '/api/42', headers: { 'x-canary': 'true' }, draws: [0] },
  { name: 'redirect', path: '/old?x=1', draws: [0] },
  { name: 'rewritten-and-split', path: '/api/42?full=1', draws: [0, 95] },
  { name: 'the-rest', path: '/cart', draws: [0] },
];

describe('what stands side by side on the page for those who come from Envoy', () => {
  for (const { name, path, headers = {}, draws } of requests) {
    it(`means the same: ${name}`, async () => {
      await using mesh = await createMesh({ controlPlane: join(root, folder, 'mesh.yaml') });
      const ours = mesh.explain(`http://orders${path}`, { headers });
      const compiled = compileEnvoy(readText(`${folder}/routes.yaml`));
      assert.deepEqual(compiled.problems, []);
      const theirs = draws.map((random) => route(compiled, { host: 'orders', path, headers }, { random }));
      const [first] = theirs;
      assert.equal(ours.answer?.status, first?.status);
      assert.equal(ours.answer?.headers['location'], first?.location);
      const destinations = ours.destinations.map(({ cluster, subset, sent }) => [
        `${cluster}-${subset}`,
        sent?.path ?? path,
        sent?.host ?? 'orders',
        sent?.headers ?? Object.entries(headers),
      ]);
      assert.deepEqual(
        destinations,
        theirs.flatMap((one) => (one.kind === 'forward' ? [[one.cluster, one.path, one.host, one.headers]] : [])),
      );
      assert.equal(ours.timeoutMs ?? 0, first?.timeoutMs ?? 0);
      if (first?.retry === undefined) return;
      const { maxAttempts, on, perTryTimeoutMs } = first.retry;
      assert.partialDeepStrictEqual(ours.retry, { maxAttempts, on, perTryTimeoutMs });
    });
  }

  it('means the same: the cluster', async () => {
    const file = translateMeshFile(await parseMeshFile(readText(`${folder}/mesh.yaml`), 'mesh.yaml'));
    const ours = file.resources.find(({ kind }) => kind === 'cluster')?.value;
    const theirs = compileEnvoy(readText(`${folder}/cluster.yaml`)).clusters.get('orders-v1')!;
    const { connectTimeoutMs, limits, outlierDetection } = theirs;
    const { maxConnections, maxPendingRequests, maxRequests } = limits!;
    const { consecutive5xx, baseEjectionMs, maxEjectionPercent } = outlierDetection!;
    assert.partialDeepStrictEqual(ours, {
      connectTimeoutMs,
      loadBalancing: { policy: theirs.loadBalancing.policy },
      limits: { maxConnections, maxPendingRequests, maxRequests },
      outlierDetection: { consecutive5xx, baseEjectionMs, maxEjectionPercent },
    });
  });
});

describe('what differs from Envoy, as the page says it', () => {
  it('is what the list of the oracle has, case by case', () => {
    const rows = tableRows(sectionOf(page, '## What differs, as a real Envoy shows it'));
    const named = rows.flatMap(([, , , cases = '']) => [...cases.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
    const listed = new Set(knownDifferences.flatMap(({ where }) => where.map((one) => one.split('#')[0]!)));
    assert.deepEqual(named.toSorted(), [...listed].toSorted());
  });
});
