import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createMesh, type MeshError } from '../../../../src/index.ts';
import type { Surroundings } from '../../../../src/control-plane/istio/environment.ts';
import { istioControlPlane } from '../../../../src/control-plane/istio/index.ts';
import type { ConfigSink } from '../../../../src/model/contracts.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { closedPort, startServer } from '../../../support/servers.ts';

const tokenOf = (claims: object): string => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;

describe('istioControlPlane', () => {
  let root: string;
  let surroundings: Surroundings;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'meshfetch-istio-'));
    await mkdir(join(root, 'etc/istio/pod'), { recursive: true });
    surroundings = {
      variables: {},
      root,
      hostname: () => 'web-1',
      addresses: () => ['192.0.2.1'],
      residentPorts: { admin: 1, health: 1, tunnel: 1 },
    };
  });
  /** Writes the token; undefined = takes it away. */
  async function setToken(text: string | undefined): Promise<void> {
    await mkdir(join(root, 'var/run/secrets/tokens'), { recursive: true });
    const path = join(root, 'var/run/secrets/tokens/istio-token');
    await (text === undefined ? rm(path, { force: true }) : writeFile(path, text));
  }
  after(() => rm(root, { recursive: true }));

  it('leaves requests to a sidecar that is there, and says so', async () => {
    await writeFile(join(root, 'etc/istio/pod/annotations'), 'sidecar.istio.io/status="{}"\n');
    const backend = await startServer((_request, response) => response.end('from the network'));
    await using mesh = await createMesh({ controlPlane: istioControlPlane({}, surroundings) });
    const response = await mesh.fetch(`http://localhost:${backend.port}/`);
    assert.equal(await response.text(), 'from the network');
    const status = mesh.status().controlPlanes.find(({ source }) => source === 'istio');
    assert.equal(status?.state, 'connected');
    assert.match(status?.error ?? '', /^stands down, because this pod has an Envoy sidecar/);
    assert.match(status?.error ?? '', /set `standDown: 'never'`/);
    await rm(join(root, 'etc/istio/pod/annotations'));
  });

  it('says that it stands down where its requests fail, and where they are explained', async () => {
    await writeFile(join(root, 'etc/istio/pod/annotations'), 'sidecar.istio.io/status="{}"\n');
    await using mesh = await createMesh({ controlPlane: istioControlPlane({}, surroundings) });
    const url = `http://127.0.0.1:${await closedPort()}/`;
    const error = await mesh.fetch(url).catch((reason: Error) => reason.cause as Error);
    assert.match(
      (error as Error).message,
      /ECONNREFUSED.*it was left to DNS \(istio: istio stands down, because this pod has an Envoy/,
    );
    assert.match(mesh.explain(url).verdict, /1 of 1 endpoints.*it was left to DNS \(istio: istio stands down/);
    await rm(join(root, 'etc/istio/pod/annotations'));
  });

  it('leaves what comes in to the sidecar when it stands down', async () => {
    await writeFile(join(root, 'etc/istio/pod/annotations'), 'sidecar.istio.io/status="{}"\n');
    const plane = istioControlPlane({}, surroundings);
    assert.equal(plane.guardsInbound, true);
    await using mesh = await createMesh({ controlPlane: plane });
    const server = await mesh.listen((_request, response) => response.end('served'), { port: 0, host: '127.0.0.1' });
    for (let status = 0; status !== 200;) {
      const response = await fetch(`http://127.0.0.1:${server.port}/`);
      await response.text();
      status = response.status;
    }
    assert.equal(plane.guardsInbound, false);
    await rm(join(root, 'etc/istio/pod/annotations'));
  });

  const tokens: readonly { readonly name: string; readonly text: string | undefined; readonly says: RegExp }[] = [
    { name: 'no-file', text: undefined, says: /there is no token at .*istio-token that says it/ },
    { name: 'empty', text: '\n', says: /the token file .*istio-token is empty/ },
    { name: 'garbage', text: 'hunter2', says: /what is in the token file .*istio-token is no JWT/ },
    { name: 'no-service-account', text: tokenOf({ sub: 'somebody' }), says: /the token in .*istio-token does not say it/ },
  ];
  for (const { name, text, says } of tokens) {
    it(`sends nothing in plaintext while the pod lacks a token, and says why: ${name}`, async () => {
      const backend = await startServer((_request, response) => response.end('in plaintext'));
      await setToken(text);
      await using mesh = await createMesh({ controlPlane: istioControlPlane({}, surroundings), configTimeoutMs: 100 });
      const url = `http://localhost:${backend.port}/`;
      const error = await mesh.fetch(url).then(
        () => assert.fail('it was sent'),
        (reason: Error) => reason.cause as MeshError,
      );
      assert.equal(error.code, 'MESH_CONFIG_TIMEOUT');
      assert.match(error.message, says);
      assert.doesNotMatch(error.message, /hunter2/);
      const status = mesh.status().controlPlanes.find(({ source }) => source === 'istio');
      assert.equal(status?.state, 'disconnected');
      assert.match(status?.error ?? '', says);
      assert.match(status?.error ?? '', /the namespace \(POD_NAMESPACE.*audience: istio-ca/);
      assert.match(mesh.explain(url).verdict, says);
    });
  }

  it('goes on by itself when the token is there', async () => {
    await setToken(undefined);
    const clock = createVirtualClock();
    const told: string[] = [];
    const stop = new AbortController();
    const plane = istioControlPlane({ discoveryAddress: `127.0.0.1:${await closedPort()}` }, surroundings);
    const sink: ConfigSink = {
      apply: () => Promise.resolve({ accepted: [], rejected: [], unhonoured: [] }),
      absent: () => {},
      status: ({ state, error }) => told.push(`${state} ${error ?? ''}`),
    };
    const done = plane.run({ sink, clock, random: () => 0.5, signal: stop.signal });
    const until = async (what: RegExp): Promise<void> => {
      while (!what.test(told.at(-1) ?? '')) {
        await clock.advance(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await until(/^disconnected .*there is no token/);
    await setToken(tokenOf({ sub: 'system:serviceaccount:shop:web' }));
    await until(/^(?:connecting|disconnected) (?!istio: the namespace)/);
    assert.equal(plane.workload?.current()?.namespace, 'shop');
    stop.abort();
    await done;
  });

  it('takes no option that it does not know', () => {
    assert.throws(() => istioControlPlane({ tokenfile: 'x' } as object), /did you mean "tokenFile"/);
  });
});
