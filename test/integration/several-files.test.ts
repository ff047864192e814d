/** Several files and objects in one mesh: each has a name, an identity and a status of its own. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { temporaryFolder } from '../support/secured.ts';

describe('several files in one mesh', () => {
  it('are told apart by a number, and the first keeps its plain name', async () => {
    const folder = await temporaryFolder();
    for (const name of ['a', 'b', 'c']) {
      await writeFile(join(folder, `${name}.yaml`), `services: { ${name}: { endpoints: ["192.0.2.1:80"] } }\n`);
    }
    const files = ['a', 'b', 'c'].map((name) => join(folder, `${name}.yaml`));
    await using mesh = await createMesh({ controlPlane: [...files, { services: {} }] });
    assert.deepEqual(
      mesh.status().controlPlanes.map(({ source }) => source),
      ['file', 'file#2', 'file#3', 'object', 'dns'],
    );
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => mesh.explain(`http://${name}/`).source),
      ['file', 'file#2', 'file#3'],
    );
  });

  it('may each bring an identity, and their clusters show the one of their own file', async () => {
    const folder = await temporaryFolder();
    const authority = await testAuthority();
    const [web, admin] = await Promise.all(
      ['web', 'admin'].map(async (name) =>
        writeIdentityFiles(folder, name, await workloadCertificate(authority, name), authority),
      ),
    );
    await using mesh = await createMesh({ controlPlane: [{ identity: web! }, { identity: admin! }] });
    assert.deepEqual(
      mesh.status().identities.map(({ name, source, svid }) => ({ name, source, is: svid?.spiffeId })),
      [
        { name: 'default', source: 'object', is: 'spiffe://example.org/web' },
        { name: 'default#2', source: 'object#2', is: 'spiffe://example.org/admin' },
      ],
    );
  });
});
