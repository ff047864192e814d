import type { XdsTlsOptions } from '../../../src/control-plane/xds/index.ts';
import { testAuthority, validity, workloadCertificate, writeIdentityFiles } from '../../support/certificates.ts';
import { temporaryFolder } from '../../support/secured.ts';
import type { MutualTlsFiles } from './control-plane.ts';

/** Certificates of the control plane and of a client, of one CA, in files. */
export async function mutualTlsFiles(): Promise<{ readonly server: MutualTlsFiles; readonly client: XdsTlsOptions }> {
  const folder = await temporaryFolder();
  const authority = await testAuthority();
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };
  const server = await writeIdentityFiles(folder, 'control-plane', await authority.issue(names, validity()), authority);
  const client = await writeIdentityFiles(folder, 'web', await workloadCertificate(authority, 'web'), authority);
  return {
    server: { certificate: server.certificate, privateKey: server.privateKey, ca: server.trustBundle },
    client: {
      rootsFile: client.trustBundle,
      certificateFile: client.certificate,
      privateKeyFile: client.privateKey,
    },
  };
}
