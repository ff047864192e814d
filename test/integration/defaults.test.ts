/** The `defaults` of a file, and the services of other sources. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { entry, startFakeConsul } from '../unit/control-plane/consul/fake-consul.ts';
import { eventually } from '../support/mesh-of.ts';
import { temporaryFolder } from '../support/secured.ts';
import { answer, startServer } from '../support/servers.ts';

describe('the defaults of a file', () => {
  it('hold for the services of Consul, and follow the file', async () => {
    const path = join(await temporaryFolder(), 'mesh.yaml');
    await writeFile(path, 'defaults: { timeoutMs: 1234, tls: { mode: simple } }\n');
    const server = await startServer(answer('found'));
    await using consul = await startFakeConsul();
    await using mesh = await createMesh({
      controlPlane: [path, consul.origin.replace('http:', 'consul:')],
      drainTimeoutMs: 0,
    });
    const response = mesh.fetch('http://orders/');
    (await consul.next()).answer([entry(server.port)], 7);
    assert.equal(await (await response).text(), 'found', 'TLS of the mesh is not for instances that Consul knows');
    assert.equal(mesh.explain('http://orders/').timeoutMs, 1234);
    await writeFile(path, 'defaults: { timeoutMs: 4321 }\n');
    await eventually('the new defaults hold', () => mesh.explain('http://orders/').timeoutMs === 4321);
  });
});
