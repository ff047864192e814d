/** The same calls by grpc-js alone and through the mesh: the program sees the same. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ChannelOptions, compressionAlgorithms, credentials } from '@grpc/grpc-js';
import type { Mesh } from 'meshfetch';
import { meshChannelCredentials } from 'meshfetch/grpc';
import { eventually, held, meshOf } from '../../support/mesh-of.ts';
import { scenarios, type CallScenario } from './calls.ts';
import { EchoService, startEcho, type EchoServer } from './echo-service.ts';

/** A channel with an algorithm of compression makes its calls by the layers of grpc-js. */
const ways = { direct: {}, layered: { 'grpc.default_compression_algorithm': compressionAlgorithms.identity } };

describe('calls through the mesh look as those of grpc-js alone', () => {
  let server: EchoServer;
  let mesh: Mesh;
  before(async () => {
    server = await startEcho();
    mesh = await meshOf({ echo: { endpoints: [server.address] } });
  });
  after(async () => {
    await mesh.close();
    server.close();
  });

  async function seenBy(scenario: CallScenario, way: ChannelOptions | 'alone'): Promise<unknown> {
    const client =
      way !== 'alone'
        ? new EchoService('mesh:///echo', meshChannelCredentials(mesh), { ...way, ...scenario.options })
        : new EchoService(server.address, credentials.createInsecure(), {
            ...scenario.options,
            'grpc.use_local_subchannel_pool': 1,
          });
    server.seen.length = 0;
    try {
      return await scenario.run({
        client,
        server,
        seen: (what) => eventually(`the server has seen "${what}"`, () => server.seen.includes(what)),
      });
    } finally {
      client.close();
    }
  }

  for (const scenario of scenarios) {
    it(scenario.name, async () => {
      const plain = await seenBy(scenario, 'alone');
      for (const way of Object.values(ways)) {
        const meshed = await seenBy(scenario, way);
        assert.deepEqual(meshed, plain);
        if (scenario.expected !== undefined) assert.deepEqual(meshed, scenario.expected);
      }
      await eventually('nothing is left under way', () => held(mesh).requests + held(mesh).inFlight === 0);
    });
  }
});
