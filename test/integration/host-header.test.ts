/** Whose certificate is accepted is for the mesh to say, never for a header of the request. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { after, describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { request } from 'undici';
import { serverKeyPair, testAuthority } from '../support/certificates.ts';
import { temporaryFolder } from '../support/secured.ts';

describe('the Host header of a caller', () => {
  it('does not choose the name that the endpoint must prove', async () => {
    const folder = await temporaryFolder();
    const authority = await testAuthority();
    await writeFile(`${folder}/ca.pem`, authority.certificate);
    const validity = { fromMs: Date.now() - 60_000, untilMs: Date.now() + 3_600_000 };
    const other = await authority.issue({ dnsNames: ['other.example'] }, validity);
    let requests = 0;
    const server = createServer(serverKeyPair(other), (_request, response) => {
      requests++;
      response.end('secret seen');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    after(() => server.close());
    const { port } = server.address() as { port: number };
    await using mesh = await createMesh({
      controlPlane: {
        services: { orders: { endpoints: [`127.0.0.1:${port}`], tls: { mode: 'simple' }, retry: { maxAttempts: 1 } } },
        identity: { trustBundle: `${folder}/ca.pem` },
      },
    });
    for (const headers of [{}, { host: 'other.example' }, {}]) {
      await assert.rejects(request('http://orders/', { headers, dispatcher: mesh.dispatcher }), { code: 'MESH_PEER_IDENTITY' });
    }
    assert.equal(requests, 0);
  });
});
