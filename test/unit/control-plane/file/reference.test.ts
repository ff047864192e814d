import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { schemaNode, type SchemaNode } from '../../../../src/control-plane/file/check-structure.ts';
import { checkMeshObject } from '../../../../src/control-plane/file/parse-mesh-file.ts';
import { meshFile, namedSchemas } from '../../../../src/control-plane/file/schema.ts';
import { hostDefaultsFromFile } from '../../../../src/control-plane/file/translate.ts';
import { safeDefaults } from '../../../../src/control-plane/safe-defaults.ts';
import { driftedFiles } from '../../../support/generate-reference.ts';

describe('the reference of the configuration', () => {
  it('is what the schema says: run node test/support/generate-reference.ts', async () => {
    assert.deepEqual(await driftedFiles(), []);
  });

  it('describes every key', () => {
    const silent: string[] = [];
    const walk = (schema: SchemaNode, path: string): void => {
      for (const [key, entry] of Object.entries(schema.entries ?? {})) {
        const described = [entry, entry.wrapped].some(
          (node) => node !== undefined && v.getDescription(node as never) !== undefined,
        );
        if (!described) silent.push(`${path}.${key}`);
        if (entry.wrapped !== undefined) walk(entry.wrapped, `${path}.${key}`);
      }
    };
    walk(schemaNode(meshFile), 'file');
    for (const [name, schema] of Object.entries(namedSchemas)) walk(schemaNode(schema), name);
    assert.deepEqual(silent, []);
  });
});

describe('the defaults of the file', () => {
  it('are the safe defaults', async () => {
    const { cluster, policy } = hostDefaultsFromFile(await checkMeshObject({}, 'the configuration'));
    assert.deepEqual(policy, safeDefaults.policy);
    assert.deepEqual(cluster, {
      ...safeDefaults.cluster,
      outlierDetection: { ...safeDefaults.cluster.outlierDetection, splitLocalOriginErrors: false },
    });
  });
});
