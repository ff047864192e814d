/**
 * What Envoy 1.40 made of generated retry policies and scripted endpoints, asked of the mesh by real requests: the status, whether
 * the response came to its end, and how often the endpoint was asked. The folder is named by MESHFETCH_VECTORS.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { envoyPlane } from '../support/envoy-plane.ts';
import { retryDifferences } from './retry-differences.ts';
import {
  hostOf,
  readRetryVectors,
  retryResources,
  retryVectorFiles,
  vectorsFolder,
  type RetryVector,
  type RetryVectors,
} from './retry-vectors.ts';
import { ScriptedUpstream } from './scripted-upstream.ts';

type Answer = Pick<RetryVector, 'status' | 'complete'>;

/** Requests at a time. */
const concurrency = 24;

async function ask(mesh: Mesh, { id, method, body }: RetryVector): Promise<Answer> {
  try {
    const response = await request(`http://${hostOf(id)}/${id}`, {
      dispatcher: mesh.dispatcher,
      method: method as 'GET',
      body: body === 0 ? null : 'x'.repeat(body),
    });
    const complete = await response.body.text().then(
      () => true,
      () => false,
    );
    return { status: response.statusCode, complete };
  } catch (error) {
    // The caller of a sidecar would have got this status.
    if (isMeshError(error)) return { status: error.status, complete: true };
    throw error;
  }
}

/** The cases whose answer is another than Envoy's, with both. */
async function differencesOf(vectors: RetryVectors): Promise<Map<string, string>> {
  const upstream = new ScriptedUpstream();
  await upstream.start();
  const { routes, clusters } = retryResources(vectors, upstream.port);
  const mesh = await createMesh({ controlPlane: envoyPlane([routes, ...clusters]), unknownHosts: 'refuse', drainTimeoutMs: 0 });
  const differences = new Map<string, string>();
  const left = [...vectors.cases];
  const worker = async (): Promise<void> => {
    for (let vector = left.pop(); vector !== undefined; vector = left.pop()) {
      upstream.script(vector.id, vector.script);
      const { status, complete } = await ask(mesh, vector);
      const ours = JSON.stringify({ status, complete, attempts: upstream.attempts(vector.id) });
      const theirs = JSON.stringify({ status: vector.status, complete: vector.complete, attempts: vector.attempts });
      if (ours !== theirs) {
        const policy = JSON.stringify(vectors.policies[vector.policy]);
        differences.set(vector.id, `${ours} instead of ${theirs}: ${vector.method} ${vector.script.join(' ')} under ${policy}`);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, worker));
  } finally {
    await mesh.close();
    await upstream.stop();
  }
  return differences;
}

const files = vectorsFolder === undefined ? [] : retryVectorFiles(vectorsFolder);

describe(
  'retries as Envoy 1.40 makes them',
  { skip: files.length === 0 && 'MESHFETCH_VECTORS names no folder with them' },
  () => {
    for (const file of files) {
      it(`answer every case of ${file.slice(file.lastIndexOf('/') + 1)} alike, but for those that are explained`, async () => {
        const differences = await differencesOf(await readRetryVectors(file));
        const unexplained = [...differences].filter(([id]) => retryDifferences[id] === undefined);
        assert.deepEqual(unexplained, []);
        const gone = Object.keys(retryDifferences).filter((id) => !differences.has(id));
        assert.deepEqual(gone, [], 'explained, but alike by now');
      });
    }
  },
);
