/**
 * Redirects that the mesh follows itself, on real sockets. What becomes of the request (method, headers, how often, whereto) is
 * compared with a real Envoy by test/oracle; here is what a call of this process has beside: one deadline, one span, one caller.
 */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { SpanKind } from '@opentelemetry/api';
import { createMesh, type Mesh } from 'meshfetch';
import { request } from 'undici';
import type { InternalRedirectConfig } from '../../src/model/internal-redirect.ts';
import type { RequestPolicy, RouteConfig } from '../../src/model/route.ts';
import { endpointAt, routesOf, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { errorOf } from '../support/policy-mesh.ts';
import { startServer } from '../support/servers.ts';
import { registerTracing, unregister } from '../unit/telemetry/open-telemetry.ts';

interface Arrival {
  readonly line: string;
  readonly body: string;
}

interface Setting {
  readonly redirect?: InternalRedirectConfig;
  readonly policy?: RequestPolicy;
  /** Of the endpoint that is redirected to. `hang` = it never answers. */
  readonly next?: 'answer' | 'hang';
  readonly location?: string;
}

/** `http://orders/next` is one endpoint, and everything else another one that redirects to it. */
async function redirecting(t: TestContext, { redirect = {}, policy = {}, next = 'answer', location }: Setting) {
  const arrivals: Arrival[] = [];
  const server = await startServer((incoming, response) => {
    let body = '';
    incoming.on('data', (chunk) => (body += String(chunk)));
    incoming.on('end', () => {
      arrivals.push({ line: `${incoming.method} ${incoming.headers.host}${incoming.url}`, body });
      if (!incoming.url!.startsWith('/next'))
        response.writeHead(302, { location: location ?? 'http://orders/next' }).end('x'.repeat(10_000));
      else if (next === 'answer') response.end('served');
    });
  });
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
  t.after(() => mesh.close());
  const action = { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }] } as const;
  const routes: readonly Omit<RouteConfig, 'name'>[] = [
    { match: { path: { kind: 'prefix', value: '/next' } }, action },
    { match: {}, action, policy: { internalRedirect: redirect, ...policy } },
  ];
  await plane.deliver([routesOf('orders', routes), staticCluster('orders', [endpointAt(server.address)])]);
  return { mesh, arrivals };
}

const send = async (mesh: Mesh, options: object = {}): Promise<{ status: number; body: string }> => {
  const { statusCode, body } = await request('http://orders/first', { dispatcher: mesh.dispatcher, ...options });
  return { status: statusCode, body: await body.text() };
};

describe('a redirect that is followed', () => {
  afterEach(unregister);

  it('gives the caller the last answer, and holds nothing afterwards', async (t) => {
    const { mesh, arrivals } = await redirecting(t, {});
    assert.deepEqual(await send(mesh), { status: 200, body: 'served' });
    assert.deepEqual(
      arrivals.map(({ line }) => line),
      ['GET orders/first', 'GET orders/next'],
    );
    await eventually('nothing is held', () => held(mesh).inFlight + held(mesh).requests === 0);
  });

  it('is one request to telemetry, with two attempts', async (t) => {
    const finished = registerTracing();
    const { mesh } = await redirecting(t, {});
    await send(mesh);
    await eventually('both attempts have ended', () => finished().length === 3);
    const kinds = finished().map(({ kind }) => kind);
    assert.equal(kinds.filter((kind) => kind === SpanKind.INTERNAL).length, 1);
    const whole = finished().find(({ kind }) => kind === SpanKind.INTERNAL)!;
    assert.equal(whole.attributes['http.response.status_code'], 200);
    assert.equal(whole.attributes['meshfetch.route'], 'orders-0');
  });

  it('sends a streamed body again once it has been read to its end', async (t) => {
    const { mesh, arrivals } = await redirecting(t, {});
    const body = Readable.from(['one ', 'two']);
    assert.deepEqual(await send(mesh, { method: 'POST', body }), { status: 200, body: 'served' });
    assert.deepEqual(
      arrivals.map((arrival) => arrival.body),
      ['one two', 'one two'],
    );
  });

  it('is the caller\u2019s when the body did not fit into the record', async (t) => {
    const { mesh, arrivals } = await redirecting(t, {});
    const body = Readable.from(['x'.repeat(40_000), 'y'.repeat(40_000)]);
    assert.equal((await send(mesh, { method: 'POST', body })).status, 302);
    assert.equal(arrivals.length, 1);
  });

  const callers: readonly { readonly name: string; readonly location: string }[] = [
    { name: 'to-a-host-without-routes', location: 'http://elsewhere/next' },
    { name: 'with-a-password', location: 'http://a:b@orders/next' },
    { name: 'to-another-protocol', location: 'ftp://orders/next' },
    { name: 'relative', location: '/next' },
  ];
  for (const { name, location } of callers) {
    it(`is the caller's: ${name}`, async (t) => {
      const { mesh, arrivals } = await redirecting(t, { location, redirect: { crossScheme: 'always' } });
      assert.equal((await send(mesh)).status, 302);
      assert.equal(arrivals.length, 1);
    });
  }

  it('never leads to a host of another source: an endpoint must not make the mesh ask whomever it likes', async (t) => {
    let asked = 0;
    const other = await startServer((_incoming, response) => response.end(String(++asked)));
    const { mesh } = await redirecting(t, { location: `http://${other.address}/next` });
    // DNS knows it from now on.
    await (await mesh.fetch(`http://${other.address}/`)).text();
    assert.equal((await send(mesh)).status, 302);
    assert.equal(asked, 1);
  });

  it('ends with the time of the first route', async (t) => {
    const { mesh, arrivals } = await redirecting(t, { policy: { timeoutMs: 150 }, next: 'hang' });
    const error = await errorOf(send(mesh));
    assert.equal(error.code, 'MESH_TIMEOUT');
    assert.equal(arrivals.length, 2);
    await eventually('nothing is held', () => held(mesh).inFlight === 0);
  });

  it('ends when the caller gives up', async (t) => {
    const { mesh, arrivals } = await redirecting(t, { next: 'hang' });
    const caller = new AbortController();
    const answer = send(mesh, { signal: caller.signal });
    await eventually('the second endpoint is asked', () => arrivals.length === 2);
    caller.abort(new Error('enough'));
    await assert.rejects(answer, /enough/);
    await eventually('nothing is held', () => held(mesh).inFlight === 0);
  });

  it('that leads in a circle ends with the redirect', async (t) => {
    const { mesh, arrivals } = await redirecting(t, { location: 'http://orders/first', redirect: { maxRedirects: 4 } });
    assert.equal((await send(mesh)).status, 302);
    assert.equal(arrivals.length, 5);
  });
});
