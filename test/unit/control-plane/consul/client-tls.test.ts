import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import { createConsulClient } from '../../../../src/control-plane/consul/client.ts';
import { consulSettings, type ConsulOptions } from '../../../../src/control-plane/consul/options.ts';
import { serverKeyPair, testAuthority, workloadCertificate, writeIdentityFiles } from '../../../support/certificates.ts';

describe('the Consul client over TLS', () => {
  let address: string;
  let folder: string;
  let files: Awaited<ReturnType<typeof writeIdentityFiles>>;
  let strangers: Awaited<ReturnType<typeof writeIdentityFiles>>;
  let close: () => void;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshfetch-consul-tls-'));
    const authority = await testAuthority();
    files = await writeIdentityFiles(folder, 'web', await workloadCertificate(authority, 'web'), authority);
    const other = await testAuthority('another CA');
    const otherFolder = await mkdtemp(join(folder, 'other-'));
    strangers = await writeIdentityFiles(otherFolder, 'web', await workloadCertificate(other, 'web'), other);
    const server = createServer(
      {
        ...serverKeyPair(await workloadCertificate(authority, 'server.dc1.consul')),
        ca: authority.certificate,
        requestCert: true,
      },
      (request, response) => {
        const socket = request.socket as TLSSocket;
        const name = socket.authorized ? socket.getPeerCertificate().subject.CN : 'nobody';
        response.end(JSON.stringify(`seen ${String(name)}`));
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    close = () => {
      server.closeAllConnections();
      server.close();
    };
  });
  after(async () => {
    close();
    await rm(folder, { recursive: true });
  });

  async function ask(tls: ConsulOptions['tls']): Promise<string> {
    const client = createConsulClient(consulSettings({ address, ...(tls !== undefined && { tls }) }, {}));
    try {
      return await client.leader(new AbortController().signal);
    } finally {
      await client.close();
    }
  }

  it('verifies the agent by the given CA and name, and shows its own certificate', async () => {
    const { certificate, privateKey, trustBundle } = files;
    const serverName = 'server.dc1.consul';
    assert.equal(await ask({ caFile: trustBundle, serverName }), 'seen nobody');
    assert.equal(
      await ask({ caFile: trustBundle, serverName, certificateFile: certificate, privateKeyFile: privateKey }),
      'seen web',
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

  it('prints no private key', () => {
    const settings = consulSettings(
      { address, tls: { certificateFile: files.certificate, privateKeyFile: files.privateKey } },
      {},
    );
    assert.ok(!inspect(settings, { depth: 9, showHidden: true }).includes('PRIVATE KEY-----'));
    assert.ok(!JSON.stringify(settings).includes('PRIVATE KEY-----'));
  });
});
