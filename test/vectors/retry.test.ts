/**
 * What Envoy 1.40 made of generated retry policies and scripted endpoints, asked of the mesh by real requests: the status, whether
 * the response came to its end, and how often the endpoint was asked. The folder is named by MESHFETCH_VECTORS.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { differencesFromEnvoy } from './retry-answers.ts';
import { retryDifferences } from './retry-differences.ts';
import { readRetryVectors, retryVectorFiles, vectorsFolder } from './retry-vectors.ts';

const files = vectorsFolder === undefined ? [] : retryVectorFiles(vectorsFolder);

describe(
  'retries as Envoy 1.40 makes them',
  { skip: files.length === 0 && 'MESHFETCH_VECTORS names no folder with them' },
  () => {
    for (const file of files) {
      it(`answer every case of ${file.slice(file.lastIndexOf('/') + 1)} alike, but for those that are explained`, async () => {
        const different = await differencesFromEnvoy(await readRetryVectors(file));
        assert.deepEqual(
          different.filter(({ id }) => retryDifferences[id] === undefined),
          [],
        );
        const ids = new Set(different.map(({ id }) => id));
        const gone = Object.keys(retryDifferences).filter((id) => !ids.has(id));
        assert.deepEqual(gone, [], 'explained, but alike by now');
      });
    }
  },
);
