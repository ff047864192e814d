import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';

/** As if it were not installed: Node's own error. */
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== '@grpc/grpc-js') return next(specifier, context);
    const text = `Cannot find package '@grpc/grpc-js' imported from ${context.parentURL}`;
    throw Object.assign(new Error(text), { code: 'ERR_MODULE_NOT_FOUND' });
  },
});

describe('without @grpc/grpc-js', () => {
  for (const controlPlane of ['xds://127.0.0.1:1', 'istio:', 'spiffe:'])
    it(`${controlPlane} says what to install`, async () => {
      await assert.rejects(
        createMesh({ controlPlane }),
        (error: { code?: string; message: string; remedy?: string; cause?: unknown }) => {
          assert.equal(error.code, 'MESH_CONFIG_INVALID');
          assert.match(error.message, /npm install @grpc\/grpc-js@1\.14/);
          assert.match(error.remedy!, /npm install/);
          assert.ok(error.cause instanceof Error);
          return true;
        },
      );
    });

  it('the others work', async () => {
    await using mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: ['127.0.0.1:1'] } } } });
    assert.equal(mesh.status().clusters.length, 1);
  });
});
