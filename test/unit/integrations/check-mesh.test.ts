import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { createMesh, type Mesh } from 'meshfetch';
import { meshSessionManager } from 'meshfetch/connect';
import { installGrpc, meshChannelCredentials } from 'meshfetch/grpc';
import { install } from '../../../src/integrations/register/install.ts';

const takers: readonly { readonly name: string; readonly give: (mesh: Mesh) => unknown }[] = [
  { name: 'meshChannelCredentials', give: (mesh) => meshChannelCredentials(mesh) },
  { name: 'meshSessionManager', give: (mesh) => meshSessionManager(mesh, 'http://orders') },
  { name: 'installGrpc', give: (mesh) => installGrpc(grpc, mesh) },
  { name: 'install', give: (mesh) => install(mesh) },
];

describe('what takes a mesh', () => {
  for (const { name, give } of takers) {
    it(`says that await is missing before a promise of one: ${name}`, async () => {
      const promise = createMesh({ drainTimeoutMs: 0 });
      assert.throws(
        () => give(promise as never),
        new TypeError(messageOf(name, 'what it got is a promise: write `await` before createMesh()')),
      );
      await (await promise).close();
    });

    it(`refuses what is none: ${name}`, () => {
      for (const wrong of [undefined, null, 'mesh', {}])
        assert.throws(() => give(wrong as never), new TypeError(messageOf(name, 'it has no dispatcher')));
    });
  }
});

const messageOf = (name: string, what: string): string => `${name}: the mesh must be one that createMesh() has made; ${what}`;
