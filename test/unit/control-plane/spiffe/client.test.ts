import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createWorkloadApi, WorkloadApiError } from '../../../../src/control-plane/spiffe/client.ts';
import { readEndpoint } from '../../../../src/control-plane/spiffe/endpoint.ts';
import { temporaryFolder } from '../../../support/secured.ts';
import { startWorkloadApi } from '../../../support/workload-api.ts';

const errors: readonly {
  readonly code: 'INVALID_ARGUMENT' | 'PERMISSION_DENIED' | 'UNAVAILABLE' | 'UNIMPLEMENTED' | 'INTERNAL';
  readonly isFinal: boolean;
  readonly remedy: RegExp;
}[] = [
  { code: 'INVALID_ARGUMENT', isFinal: true, remedy: /it is not asked again: see that a Workload API is what listens there/ },
  { code: 'PERMISSION_DENIED', isFinal: false, remedy: /make an entry for it/ },
  { code: 'UNAVAILABLE', isFinal: false, remedy: /cannot be reached \(as told\); see that the agent runs/ },
  { code: 'UNIMPLEMENTED', isFinal: false, remedy: /see that a Workload API is what listens there, and its version/ },
  { code: 'INTERNAL', isFinal: false, remedy: /see the log of the agent/ },
];

describe('a call of the Workload API', () => {
  it('has the header that it must have, and one empty message', async () => {
    await using server = await startWorkloadApi(await temporaryFolder());
    server.say(Uint8Array.of(7));
    const stop = new AbortController();
    const api = createWorkloadApi(readEndpoint(server.endpoint, 'x'));
    const heard = Promise.withResolvers<Uint8Array>();
    const watching = api.watch('FetchX509SVID', heard.resolve, stop.signal);
    assert.deepEqual([...(await heard.promise)], [7]);
    assert.deepEqual(
      server.calls.map(({ header, request }) => ({ header, length: request.length })),
      [{ header: ['true'], length: 0 }],
    );
    stop.abort();
    await watching;
  });

  for (const { code, isFinal, remedy } of errors)
    it(`${isFinal ? 'is not repeated' : 'may be repeated'} after ${code}, and the error says what to do`, async () => {
      await using server = await startWorkloadApi(await temporaryFolder());
      server.refuse(code, 'as told');
      const api = createWorkloadApi(readEndpoint(server.endpoint, 'x'));
      await assert.rejects(
        api.watch('FetchX509SVID', () => {}, new AbortController().signal),
        (error) => {
          assert.ok(error instanceof WorkloadApiError);
          assert.equal(error.isFinal, isFinal);
          assert.match(error.message, remedy);
          assert.ok(error.message.includes(server.endpoint));
          return true;
        },
      );
    });

  it('says where nobody listens', async () => {
    const api = createWorkloadApi(readEndpoint('unix:///nowhere/agent.sock', 'x'));
    await assert.rejects(
      api.watch('FetchX509SVID', () => {}, new AbortController().signal),
      /unix:\/\/\/nowhere\/agent\.sock cannot be reached .*ENOENT/,
    );
  });
});
