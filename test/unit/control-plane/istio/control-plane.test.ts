import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createMesh } from '../../../../src/index.ts';
import type { Surroundings } from '../../../../src/control-plane/istio/environment.ts';
import { istioControlPlane } from '../../../../src/control-plane/istio/index.ts';
import { startServer } from '../../../support/servers.ts';

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

  it('fails with what the pod has to have when it is no pod of the mesh', async () => {
    const plane = istioControlPlane({}, surroundings);
    await using mesh = await createMesh({ controlPlane: plane, unknownHosts: 'refuse' });
    await assert.rejects(mesh.fetch('http://reviews/'));
    const status = mesh.status().controlPlanes.find(({ source }) => source === 'istio');
    assert.equal(status?.state, 'failed');
    assert.match(status?.error ?? '', /the namespace \(POD_NAMESPACE.*audience: istio-ca/);
  });

  it('takes no option that it does not know', () => {
    assert.throws(() => istioControlPlane({ tokenfile: 'x' } as object), /did you mean "tokenFile"/);
  });
});
