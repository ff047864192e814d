import { X509Certificate } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { PrivateKey } from '../model/identity.ts';
import {
  createCertificateAuthority,
  loadCertificateAuthority,
  type CertificateAuthority,
} from '../security/certificate-authority.ts';
import { identityOfPeer } from '../security/peer-identity.ts';

/** Something that the user can put right; the message says how. */
export class CertsProblem extends Error {
  override readonly name = 'CertsProblem';
}

/** A certificate that was written. */
export interface MadeCertificate {
  readonly name: string;
  readonly spiffeId: string;
  readonly dnsNames: readonly string[];
  /** Paths. */
  readonly certificate: string;
  readonly privateKey: string;
  /** ISO 8601. */
  readonly notAfter: string;
}

const dayMs = 86_400_000;
/** So that nobody has to think of the CA again; it is for development only. */
const authorityDays = 3650;
/** Machines whose clocks are a little behind accept the certificate too. */
const backdatingMs = 300_000;

/** A folder with a development CA (`ca.pem`, `ca.key`) and certificates of workloads. */
export class CertificateFolder {
  readonly authorityCertificate: string;
  readonly authorityKey: string;
  readonly trustDomain: string;
  /** The CA was made by this call of {@link CertificateFolder.open}. */
  readonly isNew: boolean;
  private readonly path: string;
  private readonly authority: CertificateAuthority;
  private readonly nowMs: number;

  private constructor(path: string, trustDomain: string, isNew: boolean, authority: CertificateAuthority, nowMs: number) {
    this.path = path;
    this.authorityCertificate = join(path, 'ca.pem');
    this.authorityKey = join(path, 'ca.key');
    this.trustDomain = trustDomain;
    this.isNew = isNew;
    this.authority = authority;
    this.nowMs = nowMs;
  }

  /** Opens a folder, or makes it. Throws a CertsProblem when its CA cannot be used. */
  static async open(path: string, trustDomain: string | undefined, nowMs: number): Promise<CertificateFolder> {
    await mkdir(path, { recursive: true }).catch((error: unknown) => {
      throw new CertsProblem(`the folder ${path} cannot be made (${codeOf(error)})`, { cause: error });
    });
    const certificatePath = join(path, 'ca.pem');
    const keyPath = join(path, 'ca.key');
    const certificate = await readIfThere(certificatePath);
    const key = await readIfThere(keyPath);
    if (certificate === undefined && key === undefined) {
      const domain = trustDomain ?? 'example.org';
      const names = { uris: [`spiffe://${domain}`], commonName: `meshfetch development CA for ${domain}` };
      const authority = await createCertificateAuthority(names, validity(nowMs, authorityDays));
      await writeNew(keyPath, authority.privateKey.reveal(), 0o600);
      await writeNew(certificatePath, authority.certificate, 0o644);
      return new CertificateFolder(path, domain, true, authority, nowMs);
    }
    if (certificate === undefined || key === undefined) {
      const [there, missing] = certificate === undefined ? [keyPath, certificatePath] : [certificatePath, keyPath];
      throw new CertsProblem(`${there} is there without ${missing}; put it back, or delete ${there} to begin with a new CA`);
    }
    return new CertificateFolder(
      path,
      checkAuthority(certificate, trustDomain, path, nowMs),
      false,
      load(certificate, key, path),
      nowMs,
    );
  }

  /** Writes `<name>.pem` and `<name>.key` for each name: all of them, or none when one is there and `replace` is not set. */
  async issue(
    names: readonly string[],
    options: { readonly days: number; readonly dnsNames: readonly string[]; readonly replace: boolean },
  ): Promise<readonly MadeCertificate[]> {
    if (!options.replace) {
      for (const file of names.flatMap((name) => [this.file(name, 'pem'), this.file(name, 'key')])) {
        if ((await readIfThere(file)) !== undefined)
          throw new CertsProblem(`${file} is there already; use --force to replace it`);
      }
    }
    const made: MadeCertificate[] = [];
    const authorityUntilMs = new X509Certificate(this.authority.certificate).validToDate.getTime();
    const { fromMs, untilMs } = validity(this.nowMs, options.days);
    const period = { fromMs, untilMs: Math.min(untilMs, authorityUntilMs) };
    for (const name of names) {
      const spiffeId = `spiffe://${this.trustDomain}/${name}`;
      const dnsNames = [...new Set([name, 'localhost', ...options.dnsNames])];
      const issued = await this.authority.issue({ uris: [spiffeId], dnsNames, commonName: name }, period);
      const certificate = this.file(name, 'pem');
      const privateKey = this.file(name, 'key');
      await writeReplacing(privateKey, issued.privateKey.reveal(), 0o600);
      await writeReplacing(certificate, issued.certificateChain, 0o644);
      const notAfter = new X509Certificate(issued.certificateChain).validToDate.toISOString();
      made.push({ name, spiffeId, dnsNames, certificate, privateKey, notAfter });
    }
    return made;
  }

  private file(name: string, extension: 'pem' | 'key'): string {
    return join(this.path, `${name}.${extension}`);
  }
}

function validity(nowMs: number, days: number): { readonly fromMs: number; readonly untilMs: number } {
  return { fromMs: nowMs - backdatingMs, untilMs: nowMs + days * dayMs };
}

function load(certificate: string, key: string, path: string): CertificateAuthority {
  try {
    return loadCertificateAuthority(certificate, new PrivateKey(key));
  } catch (error) {
    const reason = error instanceof TypeError ? `: ${error.message}` : '';
    throw new CertsProblem(`the CA in ${path} cannot be used${reason}; delete ca.pem and ca.key to begin with a new one`, {
      cause: error,
    });
  }
}

/** The trust domain of a CA that was made before. */
function checkAuthority(certificate: string, wanted: string | undefined, path: string, nowMs: number): string {
  let domain: string | undefined;
  try {
    const parsed = new X509Certificate(certificate);
    if (parsed.validToDate.getTime() < nowMs) {
      throw new CertsProblem(`the CA in ${path} has expired; delete ca.pem and ca.key to begin with a new one`);
    }
    domain = identityOfPeer(parsed).uris[0]?.replace(/^spiffe:\/\//, '');
  } catch (error) {
    if (error instanceof CertsProblem) throw error;
    throw new CertsProblem(`${join(path, 'ca.pem')} is no certificate; delete ca.pem and ca.key to begin with a new CA`, {
      cause: error,
    });
  }
  if (domain === undefined)
    throw new CertsProblem(`the CA in ${path} was not made by meshfetch certs; choose another folder by --out`);
  if (wanted !== undefined && wanted !== domain) {
    throw new CertsProblem(`the CA in ${path} is that of ${domain}, not ${wanted}; choose another folder by --out`);
  }
  return domain;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new CertsProblem(`${path} cannot be read (${codeOf(error)})`, { cause: error });
  }
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    const file = await open(path, 'wx', mode);
    try {
      await file.writeFile(text);
      await file.chmod(mode);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new CertsProblem(`${path} cannot be written (${codeOf(error)})`, { cause: error });
  }
}

/** In one step for whoever watches: the file is the old one or the new one, whole. */
async function writeReplacing(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  await writeNew(temporary, text, mode);
  await rename(temporary, path);
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? 'unknown error';
}
