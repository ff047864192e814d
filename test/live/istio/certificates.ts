import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/runtime.ts';
import { createCertificateAuthority, type CertificateAuthority } from '../../../src/security/certificate-authority.ts';

/** What an administrator plugs into istiod: a root of his own and a CA below it. */
export interface PluggedAuthority {
  readonly root: CertificateAuthority;
  readonly intermediate: CertificateAuthority;
}

const hourMs = 3_600_000;

/** A new root of the mesh, and the CA that istiod signs with. */
export async function createPluggedAuthority(name: string): Promise<PluggedAuthority> {
  const nowMs = systemClock.wallNow();
  const validity = { fromMs: nowMs - hourMs, untilMs: nowMs + 24 * hourMs };
  const root = await createCertificateAuthority({ commonName: `${name} root` }, validity);
  const intermediate = await root.issueAuthority({ commonName: `${name} istiod` }, validity);
  return { root, intermediate };
}

/** Writes the files that istiod looks for in ROOT_CA_DIR. Source: Istio, "Plug in CA Certificates". */
export async function writePluggedAuthority(folder: string, { root, intermediate }: PluggedAuthority): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files = {
    'root-cert.pem': root.certificate,
    'ca-cert.pem': intermediate.certificate,
    'ca-key.pem': intermediate.privateKey.reveal(),
    'cert-chain.pem': `${intermediate.certificate}${root.certificate}`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 });
}
