/**
 * A request that comes by two doors of one mesh: what the second one asks counts too, and a request that was given another target after
 * it was let in is judged by that one.
 */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { createMesh } from 'meshfetch';
import { meshListener } from '../../src/integrations/node-http.ts';
import type { InboundDoorOptions } from '../../src/model/inbound.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../src/model/listener.ts';
import { TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, send, wayIn } from '../support/inbound.ts';
import { ecKey, signToken } from '../support/token-issuer.ts';

const noAdmin = wayIn({
  authorization: [policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }])],
});

interface Doors {
  readonly first?: InboundDoorOptions;
  readonly second?: InboundDoorOptions;
  readonly chain?: ReturnType<typeof wayIn> | undefined;
  /** What the program makes of the target between the two. */
  readonly rewrite?: (url: string) => string;
}

async function serve(t: TestContext, { first = {}, second, chain, rewrite = (url) => url }: Doors): Promise<number> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  t.after(() => mesh.close());
  await plane.deliver(chain === undefined ? [] : [chain]);
  const inner = meshListener(mesh, (request, response) => void response.end(request.url), second);
  const outer: RequestListener = (request, response) => {
    request.url = rewrite(request.url!);
    inner(request, response);
  };
  return (await mesh.listen(outer, { port: 0, host: '127.0.0.1', ...first })).port;
}

describe('a second door of the same mesh', () => {
  const rows: readonly (Doors & { readonly name: string; readonly path?: string; readonly status: number })[] = [
    { name: 'says-nothing', status: 200 },
    { name: 'is-strict', second: { mode: 'strict' }, status: 403 },
    { name: 'is-permissive', second: { mode: 'permissive' }, status: 200 },
    { name: 'denies-without-a-policy', second: { policyMissing: 'deny' }, status: 403 },
    { name: 'denies-without-a-policy-and-there-is-one', chain: noAdmin, second: { policyMissing: 'deny' }, status: 200 },
    {
      name: 'ignores-case-where-the-first-did-not',
      chain: noAdmin,
      path: '/ADMIN',
      first: { ignorePathCase: false },
      second: { ignorePathCase: true },
      status: 403,
    },
    { name: 'gets-another-target', chain: noAdmin, path: '/x/admin', rewrite: (url) => url.slice(2), status: 403 },
    { name: 'gets-another-target-that-is-let-in', chain: noAdmin, path: '/x/a', rewrite: (url) => url.slice(2), status: 200 },
  ];
  for (const { name, path = '/', status, ...doors } of rows)
    it(`${name}: ${status}`, async (t) => assert.equal((await send(await serve(t, doors), path)).status, status));

  it('asks for another policy by its port', async (t) => {
    const { authorization } = (noAdmin.value as InboundListenerConfig).filterChains[0]!;
    const chain = wayIn({ authorization }, { port: 7 });
    const port = await serve(t, { chain, second: { port: 7 } });
    assert.deepEqual([(await send(port, '/a')).status, (await send(port, '/admin')).status], [200, 403]);
  });

  it('does not ask again for a token that the first has verified and taken off', async (t) => {
    const key = ecKey();
    const document = JSON.stringify({ keys: [key.jwk({ kid: 'one' })] });
    const chain: Partial<FilterChainConfig> = {
      jwt: [{ name: 'login', issuer: 'https://login.example', audiences: [], jwks: { kind: 'inline', document } }],
    };
    const port = await serve(t, { chain: wayIn(chain), first: { ignorePathCase: false }, second: { ignorePathCase: true } });
    const claims = { iss: 'https://login.example', exp: 4_000_000_000 };
    const token = signToken({ alg: 'ES256', kid: 'one' }, claims, key.sign);
    const { status } = await send(port, '/', { headers: { authorization: `Bearer ${token}` } });
    assert.equal(status, 200);
    assert.equal((await send(port, '/')).status, 401);
  });
});
