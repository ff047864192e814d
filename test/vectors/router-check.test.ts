/**
 * The test files of Envoy's own router check tool (Apache-2.0). All of them pass, but for the one that is there to fail. The folder
 * is named by MESHFETCH_VECTORS.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { compileEnvoy, routerCheck } from 'meshfetch/testing';
import { vectorsFolder } from './retry-vectors.ts';

const folder = vectorsFolder === undefined ? undefined : join(vectorsFolder, 'envoy-router-check');
const files =
  folder === undefined || !existsSync(folder)
    ? []
    : readdirSync(folder).filter((file) => /\.golden\.proto\.(json|yaml)$/.test(file));

/** `TestRoutesFailures` are tests of the routes of `TestRoutes`. */
function routesOf(file: string): string {
  return `${file.slice(0, file.indexOf('.')).replace(/Failures$/, '')}.yaml`;
}

describe(
  "Envoy's router check",
  { skip: files.length === 0 && 'MESHFETCH_VECTORS names no folder with envoy-router-check' },
  () => {
    for (const file of files) {
      const mustFail = file.includes('Failures');
      it(`${file} ${mustFail ? 'fails' : 'passes'}`, () => {
        const compiled = compileEnvoy(readFileSync(join(folder!, routesOf(file)), 'utf8'));
        const results = routerCheck(compiled, readFileSync(join(folder!, file), 'utf8'));
        assert.ok(results.length > 0);
        const failed = results.filter(({ passed }) => !passed).map(({ name, failures }) => ({ name, failures }));
        if (!mustFail) assert.deepEqual(failed, []);
        // Every one of its five validations is wrong.
        else
          assert.deepEqual(
            failed.map(({ failures }) => failures.length),
            [5],
          );
      });
    }
  },
);
