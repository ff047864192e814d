import { systemClock, type Clock } from '../base/runtime.ts';
import { createCertificateAuthority, type IssuedCertificate, type SubjectNames } from '../security/certificate-authority.ts';
import type { FakeIdentity } from './control-plane/fake-identity.ts';

/** A certificate authority in memory. What it issues is for tests alone. */
export interface TestAuthority {
  /** Its own certificate, PEM: the trust bundle of those that it issues to. */
  readonly certificate: string;
  /**
   * A certificate of `spiffe://<trust domain>/<name>` with the DNS names `<name>` and `localhost`, unless `more` says other names. Valid
   * from an hour ago until in a day.
   */
  issue(name: string, more?: CertificateDetails): Promise<IssuedCertificate>;
  /** The same with the trust bundle: what a fake control plane takes as `identity`, or rotates to. */
  identity(name: string, more?: CertificateDetails): Promise<FakeIdentity>;
}

/** What is different about a certificate. */
export interface CertificateDetails extends SubjectNames {
  /** From now; may be past. Default −1 h and 24 h. */
  readonly validFromMs?: number;
  readonly validUntilMs?: number;
}

const hourMs = 3_600_000;

/** Makes one for a SPIFFE trust domain. Give it the virtual clock of the mesh, by which certificates are judged. */
export async function testAuthority(
  trustDomain = 'example.org',
  clock: Pick<Clock, 'wallNow'> = systemClock,
): Promise<TestAuthority> {
  const validity = (fromMs = -hourMs, untilMs = 24 * hourMs) => ({
    fromMs: clock.wallNow() + fromMs,
    untilMs: clock.wallNow() + untilMs,
  });
  const root = { commonName: `test CA of ${trustDomain}`, uris: [`spiffe://${trustDomain}`] };
  const authority = await createCertificateAuthority(root, validity(-hourMs, 365 * 24 * hourMs));
  const issue: TestAuthority['issue'] = (name, { validFromMs, validUntilMs, ...names } = {}) =>
    authority.issue(
      { commonName: name, uris: [`spiffe://${trustDomain}/${name}`], dnsNames: [name, 'localhost'], ...names },
      validity(validFromMs, validUntilMs),
    );
  return {
    certificate: authority.certificate,
    issue,
    identity: async (name, more) => ({ ...(await issue(name, more)), trustBundle: authority.certificate }),
  };
}
