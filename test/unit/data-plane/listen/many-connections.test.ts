/** Connections that do nothing cost little, and keep nobody out. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { before, describe, it } from 'node:test';
import type { CertificateAuthority, IssuedCertificate } from '../../../../src/security/certificate-authority.ts';
import { testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { askHttp1, clientOptions, dial, listening, meshListener } from '../../../support/listening.ts';
import { eventually } from '../../../support/mesh-of.ts';

let authority: CertificateAuthority;
let ours: IssuedCertificate;
let theirs: IssuedCertificate;
before(async () => {
  authority = await testAuthority();
  ours = await workloadCertificate(authority, 'server');
  theirs = await workloadCertificate(authority, 'client');
});

describe('a port with many idle connections', () => {
  // Each costs two file descriptors here, since both ends are in this process: 10 000 need a limit of more than 20 000.
  const wanted = 10_000;

  it('goes on serving, and is rid of all of them when it closes', async (t) => {
    const most = Math.min(wanted, Math.floor((openFileLimit() - 500) / 2));
    t.diagnostic(`${most} connections`);
    const port = await listening(t, {
      authority,
      issued: ours,
      // A machine with other work to do may take longer than the 10 s in which a client has to say something.
      listeners: [meshListener({ detectTimeoutMs: 120_000, limits: { maxConnections: most + 100 } })],
    });
    const idle: Socket[] = [];
    // Fewer at a time than wait to be accepted (511): the system repeats those beyond that after a second.
    for (let count = 0; count < most; count += 100) {
      idle.push(...(await Promise.all(Array.from({ length: Math.min(100, most - count) }, () => dial(port.port)))));
    }
    // Half of them had a request before.
    const asking = idle.filter((_, index) => index % 2 === 0);
    const answers = Promise.all(asking.map((socket) => once(socket, 'data')));
    for (const socket of asking) socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await answers;
    assert.equal((await askHttp1(port.port, { tls: clientOptions(authority, theirs) })).status, 200);
    assert.equal(port.refusals.length, 0);
    const closed = Promise.all(idle.map((socket) => once(socket.resume(), 'end')));
    await port.server.close();
    await closed;
    for (const socket of idle) socket.destroy();
    await eventually('all sockets are closed', () => !process.getActiveResourcesInfo().includes('TCPSocketWrap'), 30_000);
  });
});

function openFileLimit(): number {
  const { userLimits } = process.report.getReport() as unknown as {
    readonly userLimits: { readonly open_files: { readonly soft: number | string } };
  };
  return Number(userLimits.open_files.soft);
}
