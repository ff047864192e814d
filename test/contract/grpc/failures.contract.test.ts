/** The same broken answers by grpc-js alone and through the mesh: the program sees the same status. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { meshChannelCredentials, meshErrorOf } from 'meshfetch/grpc';
import { startH2c } from '../../support/grpc-exchange.ts';
import { meshOf } from '../../support/mesh-of.ts';
import { EchoService, type EchoClient } from './echo-service.ts';
import { failures } from './failures.ts';
import { watch, type Heard } from './watch-call.ts';

/** A stream of messages, since that ends with every status as it is; one reply would turn OK without a message into another. */
async function ask(client: EchoClient): Promise<Heard> {
  try {
    return await watch(client.down(Buffer.from('request'))).over;
  } finally {
    client.close();
  }
}

describe('answers that are none of gRPC, and streams that break, end with the status that grpc-js gives', () => {
  for (const { name, answer, code, meshCode = code, sameWords, messages = 0 } of failures) {
    it(name, async () => {
      const { address } = await startH2c(answer);
      const plain = await ask(new EchoService(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 }));
      await using mesh = await meshOf({ echo: { endpoints: [address], retry: { maxAttempts: 1 } } });
      const meshed = await ask(new EchoService('mesh:///echo', meshChannelCredentials(mesh)));
      assert.equal(plain.status?.code, code, `grpc-js: ${plain.status?.details}`);
      assert.equal(meshed.status?.code, meshCode, `mesh: ${meshed.status?.details}`);
      assert.equal(meshed.messages.length, messages);
      assert.equal(plain.messages.length, messages);
      if (sameWords) {
        assert.deepEqual(meshed, plain);
        assert.equal(meshErrorOf(meshed.status), undefined);
      }
    });
  }
});
