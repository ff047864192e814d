import { PrivateKey, type Svid, type TrustBundle } from '../../model/identity.ts';
import { parseSpiffeId, spiffeIdProblem } from '../../security/spiffe-id.ts';
import { certificatesFromDer, pemBlock } from './der.ts';
import type { X509SvidMessage, X509SvidsMessage } from './messages.ts';

/** Which of several SVIDs is the workload's own; the first where nothing is said. Source: SPIFFE Workload API standard, section 5.3. */
export interface SvidChoice {
  /** What the operator has written on it. */
  readonly hint?: string;
  readonly spiffeId?: string;
}

/** What one message gives. */
export interface Material {
  readonly svids: readonly Svid[];
  readonly trustBundles: readonly TrustBundle[];
  /** What of it cannot be used, and what to do. */
  readonly problems: readonly string[];
}

type FederatedRoots = NonNullable<TrustBundle['federated']>;

/**
 * The identities of a message: each SVID under its SPIFFE ID, and the chosen one under `name` too, every one with the bundle of its own
 * trust domain and those of all others. Bytes that cannot be read are left out with a problem.
 */
export function materialFrom(message: X509SvidsMessage, name: string, choice: SvidChoice): Material {
  const problems: string[] = [];
  const usable = message.svids.filter((svid) => {
    const problem = problemOf(svid);
    if (problem !== undefined) problems.push(problem);
    return problem === undefined;
  });
  const bundles = new Map<string, string>();
  const federate = (key: string, der: Uint8Array): void => {
    const trustDomain = trustDomainOf(key);
    if (trustDomain === undefined) {
      problems.push(`the key ${JSON.stringify(key)} of a bundle is no trust domain`);
      return;
    }
    const certificates = certificatesFromDer(der);
    if (certificates === undefined) problems.push(`the bundle of ${trustDomain} holds no certificates in DER`);
    else bundles.set(trustDomain, certificates);
  };
  for (const [key, der] of message.federated) federate(key, der);
  // After the federated ones: what an SVID says of its own trust domain counts more.
  for (const { spiffeId, bundle } of usable) federate(`spiffe://${parseSpiffeId(spiffeId).trustDomain}`, bundle);

  const svids: Svid[] = [];
  const trustBundles: TrustBundle[] = [];
  const put = (under: string, { spiffeId, certificates, privateKey }: X509SvidMessage): void => {
    const { trustDomain } = parseSpiffeId(spiffeId);
    const own = bundles.get(trustDomain);
    const federated = [...bundles].filter(([other]) => other !== trustDomain);
    if (own !== undefined) {
      trustBundles.push({
        name: under,
        trustDomain,
        certificates: own,
        federated: federated.map(([other, roots]) => ({ trustDomain: other, certificates: roots })),
      });
    }
    svids.push({
      name: under,
      certificateChain: certificatesFromDer(certificates)!,
      privateKey: new PrivateKey(pemBlock('PRIVATE KEY', privateKey)),
    });
  };
  const chosen = chosenOf(usable, choice);
  if (chosen !== undefined) put(name, chosen);
  else problems.push(`none of the SVIDs ${wordsOf(choice)}; there are ${namesOf(usable)}`);
  const named = new Set<string>();
  for (const svid of usable) {
    // Two of one name differ in their hints: the first one stands for both.
    if (named.has(svid.spiffeId)) continue;
    named.add(svid.spiffeId);
    put(svid.spiffeId, svid);
  }
  return { svids, trustBundles, problems };
}

/** The bundles of a workload that has no SVID: all alike, since none of the trust domains is its own. */
export function bundleFrom(bundles: ReadonlyMap<string, Uint8Array>, name: string): Material {
  const problems: string[] = [];
  const roots: FederatedRoots[number][] = [];
  for (const [key, der] of bundles) {
    const trustDomain = trustDomainOf(key);
    const certificates = certificatesFromDer(der);
    if (trustDomain === undefined) problems.push(`the key ${JSON.stringify(key)} of a bundle is no trust domain`);
    else if (certificates === undefined) problems.push(`the bundle of ${trustDomain} holds no certificates in DER`);
    else roots.push({ trustDomain, certificates });
  }
  const [first, ...federated] = roots.toSorted((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
  return { svids: [], trustBundles: first === undefined ? [] : [{ name, ...first, federated }], problems };
}

/** `spiffe://example.org` as the standard says, and `example.org` as some servers do; undefined for anything else. */
export function trustDomainOf(key: string): string | undefined {
  const id = key.startsWith('spiffe://') ? key : `spiffe://${key}`;
  if (spiffeIdProblem(id) !== undefined) return undefined;
  const { trustDomain, path } = parseSpiffeId(id);
  return path === '' ? trustDomain : undefined;
}

/** The SVID that the choice means. */
export function chosenOf<T extends { readonly spiffeId: string; readonly hint: string }>(
  svids: readonly T[],
  { hint, spiffeId }: SvidChoice,
): T | undefined {
  return svids.find(
    (svid) => (hint === undefined || svid.hint === hint) && (spiffeId === undefined || svid.spiffeId === spiffeId),
  );
}

function problemOf({ spiffeId, certificates, privateKey }: X509SvidMessage): string | undefined {
  const problem = spiffeIdProblem(spiffeId);
  if (problem !== undefined) return `an SVID has a name that is no SPIFFE ID: ${problem}`;
  if (certificatesFromDer(certificates) === undefined) return `the SVID of ${spiffeId} holds no certificates in DER`;
  return privateKey.length === 0 ? `the SVID of ${spiffeId} has no key` : undefined;
}

function wordsOf({ hint, spiffeId }: SvidChoice): string {
  const parts = [
    ...(hint === undefined ? [] : [`has the hint ${JSON.stringify(hint)}`]),
    ...(spiffeId === undefined ? [] : [`is ${spiffeId}`]),
  ];
  return parts.length === 0 ? 'can be used' : parts.join(' and ');
}

function namesOf(svids: readonly X509SvidMessage[]): string {
  const names = svids.map(({ spiffeId, hint }) => (hint === '' ? spiffeId : `${spiffeId} (hint ${JSON.stringify(hint)})`));
  return names.length === 0 ? 'none' : names.join(', ');
}
