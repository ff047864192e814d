/** A Request that the program has let go of, while its response is still read. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eventually, ordersAt } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

describe('a Request that nobody holds any more', () => {
  for (const made of ['alone', 'of-several'] as const)
    it(`still ends its response when its signal is aborted: ${made}`, async () => {
      let isLeft = false;
      const server = await startServer((_request, response) => {
        response.on('close', () => (isLeft = true)).write('first');
      });
      await using mesh = await ordersAt([server.address]);
      const caller = new AbortController();
      const begin = async (): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
        const signal = made === 'alone' ? caller.signal : AbortSignal.any([caller.signal, new AbortController().signal]);
        const response = await mesh.fetch(new Request('http://orders/', { signal }));
        const reader = response.body!.getReader();
        await reader.read();
        return reader;
      };
      const reader = await begin();
      for (let turn = 0; turn < 20; turn++) {
        gc();
        await new Promise((resolve) => setImmediate(resolve));
      }
      caller.abort();
      await assert.rejects(reader.read(), { name: 'AbortError' });
      await eventually('the server is left', () => isLeft);
    });
});
