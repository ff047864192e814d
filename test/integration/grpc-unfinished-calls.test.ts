/** Calls of gRPC may last; those that were answered are over, whether their caller ever ends them or not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { describe, it } from 'node:test';
import { grpcPort, grpcServerOf, echo, type GrpcPortOptions } from '../support/grpc-port.ts';
import { policyOf } from '../support/inbound.ts';

const denied = { kind: 'path', match: { kind: 'exact', value: '/t.T/Denied' } } as const;

for (const http2 of ['bridge', 'native'] as const)
  describe(`a call that was answered before its caller ended it, over ${http2} objects`, () => {
    const rows: readonly { readonly name: string; readonly path: string; readonly status: string }[] = [
      { name: 'refused-by-policy', path: '/t.T/Denied', status: '7' },
      { name: 'unknown-method', path: '/t.T/None', status: '12' },
    ];
    for (const { name, path, status } of rows)
      it(`gives its stream back: ${name}`, async (t) => {
        const options: GrpcPortOptions = { listen: { http2 }, chain: { authorization: [policyOf('deny', [denied])] } };
        const { inbound } = await grpcPort(t, grpcServerOf({ '/t.T/Echo': echo }), options);
        const session = connect(`http://127.0.0.1:${inbound.port}`);
        t.after(() => session.destroy());
        const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
        stream.resume();
        const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
        assert.equal(head['grpc-status'], status);
        await once(stream, 'close');
        assert.equal(stream.rstCode, 0);
      });
  });
