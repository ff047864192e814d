import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { systemClock } from '../../../../src/base/runtime.ts';
import { residentOf } from '../../../../src/control-plane/istio/resident.ts';

const none = { labels: {}, annotations: {} };

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('residentOf', () => {
  const written: readonly { name: string; files: Parameters<typeof residentOf>[0]; resident: RegExp | undefined }[] = [
    {
      name: 'injected-sidecar',
      files: { ...none, annotations: { 'sidecar.istio.io/status': '{"containers":["istio-proxy"]}' } },
      resident: /^an Envoy sidecar/,
    },
    {
      name: 'agent-of-proxyless-grpc',
      files: { ...none, annotations: { 'sidecar.istio.io/status': '{}', 'inject.istio.io/templates': 'grpc-agent' } },
      resident: undefined,
    },
    {
      name: 'redirected-by-ambient',
      files: { ...none, annotations: { 'ambient.istio.io/redirection': 'enabled' } },
      resident: /^ambient \(the annotation/,
    },
    {
      name: 'labelled-ambient',
      files: { ...none, labels: { 'istio.io/dataplane-mode': 'ambient' } },
      resident: /^ambient \(the label/,
    },
    { name: 'labelled-none', files: { ...none, labels: { 'istio.io/dataplane-mode': 'none' } }, resident: undefined },
  ];
  for (const { name, files, resident } of written) {
    it(`believes what is written on the pod (${name})`, async () => {
      const port = await closedPort();
      const found = await residentOf(files, { admin: port, health: port, tunnel: port }, systemClock);
      if (resident === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', resident);
    });
  }

  async function serve(server: string | undefined): Promise<{ port: number; close(): Promise<void> }> {
    const app = createServer((_request, response) => {
      if (server !== undefined) response.setHeader('server', server);
      response.end('{"version":"1"}');
    });
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    return {
      port: (app.address() as AddressInfo).port,
      async close() {
        app.closeAllConnections();
        app.close();
        await once(app, 'close');
      },
    };
  }

  it('finds Envoy by its admin interface, and by its probe', async () => {
    const [envoy, closed] = [await serve('envoy'), await closedPort()];
    assert.match((await residentOf(none, { admin: envoy.port, health: closed, tunnel: closed }, systemClock)) ?? '', /admin/);
    assert.match((await residentOf(none, { admin: closed, health: envoy.port, tunnel: closed }, systemClock)) ?? '', /probe/);
    await envoy.close();
  });

  it('takes no other program on these ports for Envoy', async () => {
    const [app, closed] = [await serve(undefined), await closedPort()];
    assert.equal(await residentOf(none, { admin: app.port, health: app.port, tunnel: closed }, systemClock), undefined);
    await app.close();
  });

  it('finds ztunnel by the port of its tunnel', async () => {
    const [ztunnel, closed] = [await serve(undefined), await closedPort()];
    assert.match(
      (await residentOf(none, { admin: closed, health: closed, tunnel: ztunnel.port }, systemClock)) ?? '',
      /^ambient/,
    );
    await ztunnel.close();
  });
});
