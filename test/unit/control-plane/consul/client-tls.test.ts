import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { inspect, promisify } from 'node:util';
import { createConsulClient } from '../../../../src/control-plane/consul/client.ts';
import { consulSettings, type ConsulOptions } from '../../../../src/control-plane/consul/options.ts';
import type { CertificateAuthority } from '../../../../src/security/certificate-authority.ts';
import { serverKeyPair, testAuthority, workloadCertificate, writeIdentityFiles } from '../../../support/certificates.ts';

describe('the Consul client over TLS', () => {
  let folder: string;
  let authority: CertificateAuthority;
  let files: Awaited<ReturnType<typeof writeIdentityFiles>>;
  let strangers: Awaited<ReturnType<typeof writeIdentityFiles>>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshfetch-consul-tls-'));
    authority = await testAuthority();
    files = await writeIdentityFiles(folder, 'web', await workloadCertificate(authority, 'web'), authority);
    const other = await testAuthority('another CA');
    const otherFolder = await mkdtemp(join(folder, 'other-'));
    strangers = await writeIdentityFiles(otherFolder, 'web', await workloadCertificate(other, 'web'), other);
  });
  after(() => rm(folder, { recursive: true }));

  /** Asks a server that answers with the name of its client; `verifyIncoming` is Consul's word for asking clients for a certificate. */
  async function ask(tls: ConsulOptions['tls'], verifyIncoming = false): Promise<string> {
    const issued = await workloadCertificate(authority, 'server.dc1.consul');
    const server = createServer(
      { ...serverKeyPair(issued), ca: authority.certificate, requestCert: true, rejectUnauthorized: verifyIncoming },
      (request, response) => {
        const socket = request.socket as TLSSocket;
        const name = socket.authorized ? socket.getPeerCertificate().subject.CN : 'nobody';
        response.end(JSON.stringify(`seen ${String(name)}`));
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = createConsulClient(consulSettings({ address, ...(tls !== undefined && { tls }) }, {}));
    try {
      return await client.leader(new AbortController().signal);
    } finally {
      await client.close();
      server.closeAllConnections();
      server.close();
    }
  }

  it('verifies the agent by the given CA and name, and shows its own certificate', async () => {
    const { certificate, privateKey, trustBundle } = files;
    const tls = { caFile: trustBundle, serverName: 'server.dc1.consul' };
    assert.equal(await ask(tls), 'seen nobody');
    assert.equal(await ask({ ...tls, certificateFile: certificate, privateKeyFile: privateKey }, true), 'seen web');
  });

  it('says what to give when the agent hangs up on a client without a certificate', async () => {
    await assert.rejects(
      ask({ caFile: files.trustBundle, serverName: 'server.dc1.consul' }, true),
      /verify_incoming.*tls\.certificateFile/,
    );
  });

  const refused = [
    {
      name: 'unknown-ca',
      tls: () => ({ caFile: strangers.trustBundle, serverName: 'server.dc1.consul' }),
      message: /cannot be reached \(self-signed.*caFile, serverName/,
    },
    {
      name: 'system-roots',
      tls: () => ({ serverName: 'server.dc1.consul' }),
      message: /cannot be reached \(self-signed.*caFile, serverName/,
    },
    {
      name: 'other-name',
      tls: () => ({ caFile: files.trustBundle }),
      message: /cannot be reached.*does not match.*caFile, serverName/,
    },
  ];
  for (const { name, tls, message } of refused) {
    it(`speaks to no agent that it cannot verify (${name})`, async () => {
      await assert.rejects(ask(tls()), message);
    });
  }

  it('verified nobody where the environment of Node says so (NODE_TLS_REJECT_UNAUTHORIZED), and sent the token', async () => {
    const issued = await workloadCertificate(authority, 'elsewhere');
    const tokens: unknown[] = [];
    const server = createServer(serverKeyPair(issued), (request, response) => {
      tokens.push(request.headers['x-consul-token']);
      response.end('"leader"');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const options: ConsulOptions = {
      address: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      token: 'secret',
      tls: { caFile: strangers.trustBundle, serverName: 'server.dc1.consul' },
    };
    const from = (file: string): string =>
      JSON.stringify(new URL(`../../../../src/control-plane/consul/${file}.ts`, import.meta.url).href);
    const program = `import { createConsulClient } from ${from('client')};
      import { consulSettings } from ${from('options')};
      const client = createConsulClient(consulSettings(${JSON.stringify(options)}, {}));
      console.log(await client.leader(new AbortController().signal).catch((error) => error.message));
      await client.close();`;
    try {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--conditions=meshfetch-source', '--input-type=module', '-e', program],
        { timeout: 20_000, env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0' } },
      );
      assert.deepEqual(tokens, []);
      assert.match(stdout, /cannot be reached .*caFile, serverName/);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('prints no private key', () => {
    const settings = consulSettings(
      { address: 'https://127.0.0.1:8501', tls: { certificateFile: files.certificate, privateKeyFile: files.privateKey } },
      {},
    );
    assert.ok(!inspect(settings, { depth: 9, showHidden: true }).includes('PRIVATE KEY-----'));
    assert.ok(!JSON.stringify(settings).includes('PRIVATE KEY-----'));
  });
});
