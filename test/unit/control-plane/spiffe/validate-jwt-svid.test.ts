import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { spiffeIdentity } from '../../../../src/control-plane/spiffe/index.ts';
import { JwtSvid } from '../../../../src/control-plane/spiffe/jwt-svid.ts';
import { ProtobufWriter } from '../../../../src/wire/protobuf.ts';
import { startGrpcServer } from '../../../support/grpc-server.ts';

const web = 'spiffe://own.test/web';
const claims = { sub: web, aud: 'orders' };
const token = `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;

describe('validateJwtSvid', () => {
  it('takes a token as text, and a JwtSvid', async () => {
    const asked: string[] = [];
    const server = await startGrpcServer({
      unary: {
        '/SpiffeWorkloadAPI/ValidateJWTSVID': (request) => {
          asked.push(request.toString('latin1'));
          return new ProtobufWriter().text(1, web).finish();
        },
      },
    });
    try {
      const source = spiffeIdentity({ endpoint: `tcp://127.0.0.1:${server.port}` }, {});
      for (const given of [token, new JwtSvid(token, web, ['orders'], 0)])
        assert.deepEqual(await source.validateJwtSvid(given, 'orders'), { spiffeId: web, claims });
      assert.equal(asked.length, 2);
      for (const request of asked) assert.ok(request.includes(token));
    } finally {
      server.close();
    }
  });

  it('refuses what is no token, without a word of it', async () => {
    const source = spiffeIdentity({ endpoint: 'tcp://127.0.0.1:9' }, {});
    for (const given of [undefined, 42, { token: 'secret' }])
      await assert.rejects(source.validateJwtSvid(given as never, 'orders'), (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /takes a token as text, or a JwtSvid$/);
        return true;
      });
  });
});
