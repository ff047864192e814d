import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WorkloadApi } from '../../../../src/control-plane/spiffe/client.ts';
import { JwtSvids } from '../../../../src/control-plane/spiffe/jwt-svids.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { ProtobufWriter } from '../../../../src/wire/protobuf.ts';

const web = 'spiffe://own.test/web';
const lifeSeconds = 600;

function tokenOf(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'ES256' })}.${part(claims)}.c2ln`;
}

function responseOf(token: string, spiffeId = web, hint = ''): Uint8Array {
  return new ProtobufWriter().message(1, new ProtobufWriter().text(1, spiffeId).text(2, token).text(3, hint)).finish();
}

function setUp(answer?: (nowSeconds: number, number: number) => Uint8Array | Promise<Uint8Array>) {
  const clock = createVirtualClock();
  const asked: Uint8Array[] = [];
  const nowSeconds = (): number => clock.wallNow() / 1000;
  const usual = (): Uint8Array =>
    responseOf(tokenOf({ sub: web, iat: nowSeconds(), exp: nowSeconds() + lifeSeconds, jti: asked.length }));
  const api: WorkloadApi = {
    watch: () => Promise.reject(new Error('not watched here')),
    ask: async (_method, request) => {
      asked.push(request);
      return (answer ?? usual)(nowSeconds(), asked.length);
    },
  };
  return { clock, asked, tokens: new JwtSvids(api, {}, clock) };
}

describe('JWT-SVIDs', () => {
  it('are kept until half of their life is over', async () => {
    const { clock, asked, tokens } = setUp();
    const first = await tokens.fetch('orders');
    await clock.advance((lifeSeconds / 2) * 1000 - 1);
    assert.equal(await tokens.fetch('orders'), first);
    await clock.advance(1);
    assert.notEqual((await tokens.fetch('orders')).reveal(), first.reveal());
    assert.equal(asked.length, 2);
  });

  it('are asked for once, however many want one', async () => {
    const { asked, tokens } = setUp();
    await Promise.all(['orders', ['orders'], ['orders', 'orders']].map((audience) => tokens.fetch(audience)));
    assert.equal(asked.length, 1);
    await tokens.fetch(['orders', 'billing']);
    await tokens.fetch(['billing', 'orders']);
    assert.equal(asked.length, 2);
  });

  it('serve until they expire while no other one can be had', async () => {
    let isDown = false;
    const { clock, tokens } = setUp((now) => {
      if (isDown) throw new Error('down');
      return responseOf(tokenOf({ exp: now + lifeSeconds }));
    });
    const first = await tokens.fetch('orders');
    isDown = true;
    await clock.advance(lifeSeconds * 1000 - 1);
    assert.equal(await tokens.fetch('orders'), first);
    await clock.advance(1);
    await assert.rejects(tokens.fetch('orders'), /down/);
  });

  it('are fetched anew when the identity was taken away', async () => {
    const { asked, tokens } = setUp();
    await tokens.fetch('orders');
    tokens.forget();
    await tokens.fetch('orders');
    assert.equal(asked.length, 2);
  });

  it('are for an audience', async () => {
    const { tokens } = setUp();
    for (const audience of ['', [], ['a', '']]) await assert.rejects(tokens.fetch(audience), TypeError);
  });

  const useless: readonly { readonly name: string; readonly answer: (now: number) => Uint8Array; readonly reason: RegExp }[] = [
    { name: 'no-message', answer: () => Uint8Array.of(0xff), reason: /the answer is no JWTSVIDResponse/ },
    { name: 'empty', answer: () => new Uint8Array(0), reason: /none is for the identity/ },
    { name: 'no-jwt', answer: () => responseOf('secret-text'), reason: /no JWT with an `exp`/ },
    { name: 'no-exp', answer: () => responseOf(tokenOf({ sub: web })), reason: /no JWT with an `exp`/ },
    {
      name: 'expired',
      answer: (now) => responseOf(tokenOf({ exp: now - 1 })),
      reason: /it has expired already; compare the clocks/,
    },
  ];
  for (const { name, answer, reason } of useless)
    it(`are refused, and not repeated in the error: ${name}`, async () => {
      const { tokens } = setUp(answer);
      await assert.rejects(tokens.fetch('orders'), (error: Error) => {
        assert.match(error.message, reason);
        assert.doesNotMatch(error.message, /secret-text|ey/);
        return true;
      });
    });
});
