import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { istioControlPlane } from '../../../src/control-plane/istio/index.ts';
import { createMesh, type Mesh } from '../../../src/index.ts';
import { hostOf, serviceOf } from './documents.ts';
import { startEcho, type Echo, type Echoed } from './instances.ts';
import { startIstiod, type IstioDocument, type Istiod } from './istiod.ts';
import { isTold, meshIn, until, web } from './mesh-in-pod.ts';
import { surroundingsOf } from './pod.ts';

const entry = (name: string, spec: object): IstioDocument => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name, namespace: 'shop' },
  spec: { hosts: [hostOf(name)], location: 'MESH_INTERNAL', ...spec },
});
const http = [{ number: 80, name: 'http', protocol: 'HTTP' }];

describe('kinds of services of a real istiod', { timeout: 60_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let a: Echo;
  let b: Echo;
  before(async () => {
    istiod = await startIstiod();
    [a, b] = [await startEcho('a'), await startEcho('b')];
    const localhost = (port: number): object => ({ address: 'localhost', ports: { http: port } });
    await istiod.configure('services', [
      serviceOf('static', [{ port: a.port }]),
      entry('by-dns', { resolution: 'DNS', ports: http, endpoints: [localhost(a.port), localhost(b.port)] }),
      entry('by-one-name', { resolution: 'DNS_ROUND_ROBIN', ports: http, endpoints: [localhost(b.port)] }),
      entry('by-its-own-name', {
        hosts: ['localhost'],
        location: 'MESH_EXTERNAL',
        resolution: 'NONE',
        ports: [{ number: b.port, name: 'http', protocol: 'HTTP' }],
      }),
      entry('unix', { resolution: 'STATIC', ports: http, endpoints: [{ address: 'unix:///run/nobody.sock' }] }),
      entry('raw', {
        resolution: 'STATIC',
        ports: [{ number: 9000, name: 'tcp', protocol: 'TCP' }],
        endpoints: [{ address: '127.0.0.1', ports: { tcp: a.port } }],
      }),
      entry('two-ports', {
        resolution: 'STATIC',
        ports: [...http, { number: 8080, name: 'http-admin', protocol: 'HTTP' }],
        endpoints: [{ address: '127.0.0.1', ports: { http: a.port, 'http-admin': b.port } }],
      }),
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'Sidecar',
        metadata: { name: 'scoped', namespace: 'shop' },
        spec: { workloadSelector: { labels: { app: 'scoped' } }, egress: [{ hosts: ['./static.shop.svc.cluster.local'] }] },
      },
    ]);
    await isTold(istiod, 'static');
    ({ mesh } = await meshIn(istiod));
  });
  after(async () => {
    await mesh?.close();
    await istiod[Symbol.asyncDispose]();
    for (const instance of [a, b]) await instance?.stop();
  });
  const ask = async (url: string, by: Mesh = mesh): Promise<string> => ((await (await by.fetch(url)).json()) as Echoed).name;
  const refusal = async (url: string, by: Mesh = mesh): Promise<{ readonly code: string; readonly message: string }> => {
    const error = (await by.fetch(url).then(
      () => assert.fail(`${url} was answered`),
      (reason: unknown) => reason,
    )) as Error;
    return error.cause as { code: string; message: string };
  };

  it('resolves the names of endpoints (DNS), all of their addresses or one', async () => {
    const names = new Set<string>();
    for (let request = 0; request < 30; request++) names.add(await ask(`http://${hostOf('by-dns')}/`));
    assert.deepEqual([...names].sort(), ['a', 'b']);
    assert.equal(await ask(`http://${hostOf('by-one-name')}/`), 'b');
  });

  it('leaves a service without endpoints of its own to DNS (NONE)', async () => {
    const plane = istioControlPlane({}, surroundingsOf(await istiod.podFolder(web), istiod));
    await using open = await createMesh({ controlPlane: plane });
    assert.equal(await ask(`http://localhost:${b.port}/`, open), 'b');
  });

  it('tells the ports of a service apart', async () => {
    assert.equal(await ask(`http://${hostOf('two-ports')}/`), 'a');
    assert.equal(await ask(`http://${hostOf('two-ports')}:8080/`), 'b');
  });

  it('does not dial a unix socket that somebody registered', async () => {
    assert.equal((await refusal(`http://${hostOf('unix')}/`)).code, 'MESH_NO_HEALTHY_ENDPOINT');
  });

  it('says of a port that is declared TCP that it is', async () => {
    const { code, message } = await refusal(`http://${hostOf('raw')}:9000/`);
    assert.equal(code, 'MESH_UNKNOWN_HOST');
    assert.match(message, /port 9000 of raw\.shop\.svc\.cluster\.local is one of raw TCP .* declare its protocol as HTTP/);
  });

  it('says of a port that the service has not which ports there are', async () => {
    const { message } = await refusal(`http://${hostOf('static')}:81/`);
    assert.match(
      message,
      /no HTTP listener for port 81 serves static\.shop\.svc\.cluster\.local; there are listeners for 80, 8080/,
    );
  });

  it('knows no more services than the Sidecar of the workload lets it see', async () => {
    const { mesh: scoped } = await meshIn(istiod, { ...web, labels: { app: 'scoped' } });
    await using _ = scoped;
    assert.equal(await until(() => ask(`http://${hostOf('static')}/`, scoped)), 'a');
    const { code, message } = await refusal(`http://${hostOf('two-ports')}:8080/`, scoped);
    assert.equal(code, 'MESH_UNKNOWN_HOST');
    assert.match(message, /there are listeners for 80\)/);
  });
});

describe('a mesh that keeps to its registry', { timeout: 60_000 }, () => {
  it('says of a port that no service has that istiod sends it nowhere', async () => {
    await using istiod = await startIstiod({ meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } });
    const echo = await startEcho('known');
    try {
      await istiod.configure('services', [serviceOf('known', [{ port: echo.port }])]);
      await isTold(istiod, 'known');
      const plane = istioControlPlane({}, surroundingsOf(await istiod.podFolder(web), istiod));
      await using mesh = await createMesh({ controlPlane: plane });
      assert.equal((await mesh.fetch(`http://${hostOf('known')}/`)).status, 200);
      const error = (await mesh.fetch(`http://localhost:${echo.port}/`).then(
        () => assert.fail('was answered'),
        (reason: unknown) => reason,
      )) as Error;
      const { code, message } = error.cause as { code: string; message: string };
      assert.equal(code, 'MESH_NO_HEALTHY_ENDPOINT');
      assert.match(message, /BlackHoleCluster/);
      const response = await mesh.fetch('http://nobody.example/');
      assert.equal(response.status, 502, 'as a sidecar answers on a port that services have');
    } finally {
      await echo.stop();
    }
  });
});
