/**
 * Certificates and roots that a DestinationRule names by files of the pod: for TLS to hosts outside the mesh (modes SIMPLE and MUTUAL).
 * istiod hands their paths on as names of secrets, which the agent beside a sidecar reads; this is that part of the agent. Files are
 * read when a cluster that names them is in use, and watched as long as it is. Source: Istio, `pkg/security` (`SdsCertificateConfig`).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/runtime.ts';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { IdentitySink } from '../../model/contracts.ts';
import { PrivateKey } from '../../model/identity.ts';
import type { SecretRef, UpstreamTls } from '../../model/tls.ts';
import { fileIdentity } from '../../security/file-identity.ts';
import { privateKeyBlock } from '../../security/identity-material.ts';
import { withoutStatus } from './preset-status.ts';

const systemRoots = 'file-root:system';

/** Files by the name of the secret; undefined for names of anything else. */
export function filesOfSecret(
  name: SecretRef,
): { readonly trustBundle: string } | { readonly certificate: string; readonly privateKey: string } | undefined {
  const roots = /^file-root:([^~]+)$/.exec(name)?.[1];
  if (roots !== undefined) return name === systemRoots ? undefined : { trustBundle: roots };
  const [, certificate, privateKey] = /^file-cert:([^~]+)~([^~]+)$/.exec(name) ?? [];
  return certificate === undefined || privateKey === undefined ? undefined : { certificate, privateKey };
}

/** Whether the secret is one that is found on this machine. */
export function isFileSecret(name: SecretRef): boolean {
  return name === systemRoots || filesOfSecret(name) !== undefined;
}

/** The cluster with the roots of this Node process where it names those of the system. */
export function withSystemRoots(cluster: ClusterConfig): ClusterConfig {
  const { tls, tlsMatches } = cluster;
  if (tls === undefined && tlsMatches === undefined) return cluster;
  return {
    ...cluster,
    ...(tls !== undefined && { tls: trustingSystem(tls) }),
    ...(tlsMatches !== undefined && { tlsMatches: tlsMatches.map((match) => ({ ...match, tls: trustingSystem(match.tls) })) }),
  };
}

function trustingSystem(tls: UpstreamTls): UpstreamTls {
  if (tls.mode === 'disabled' || tls.trust !== systemRoots) return tls;
  const { trust: _, peers, ...others } = tls;
  // No public authority speaks for SPIFFE IDs: the certificate has to name the server.
  return { ...others, peers: peers.filter((peer) => !(peer.kind === 'uri' && peer.match === 'prefix')) };
}

/** Reads the files of the secrets that are in use, and hands their content on. */
export class FileSecrets {
  private readonly root: string;
  private readonly clock: Clock;
  private readonly onTrouble: (trouble: readonly string[]) => void;
  private readonly watched = new Map<SecretRef, AbortController>();
  private readonly troubles = new Map<SecretRef, string>();
  private sink: IdentitySink | undefined = undefined;

  /** `root` is the folder that absolute paths begin at: `/` in a pod. `onTrouble` is told what cannot be used, all of it each time. */
  constructor(root: string, clock: Clock, onTrouble: (trouble: readonly string[]) => void) {
    this.root = root;
    this.clock = clock;
    this.onTrouble = onTrouble;
  }

  /** Delivers until the signal aborts. */
  run(sink: IdentitySink, signal: AbortSignal): void {
    this.sink = sink;
    for (const [name, watch] of this.watched) this.deliver(name, watch.signal);
    signal.addEventListener('abort', () => this.use(new Set()), { once: true });
  }

  /** All secrets that are in use now; those that were and are no more are taken back. */
  use(names: ReadonlySet<SecretRef>): void {
    for (const [name, watch] of this.watched) {
      if (names.has(name)) continue;
      this.watched.delete(name);
      watch.abort();
      this.sink?.remove(name);
      this.note(name, undefined);
    }
    for (const name of names) {
      if (this.watched.has(name) || filesOfSecret(name) === undefined) continue;
      const watch = new AbortController();
      this.watched.set(name, watch);
      this.deliver(name, watch.signal);
    }
  }

  private deliver(name: SecretRef, signal: AbortSignal): void {
    const { sink } = this;
    const files = filesOfSecret(name);
    if (sink === undefined || files === undefined) return;
    const at = (path: string): string => (path.startsWith('/') ? join(this.root, path) : path);
    const placed =
      'trustBundle' in files
        ? { trustBundle: at(files.trustBundle) }
        : { certificate: at(files.certificate), privateKey: at(files.privateKey) };
    // At once, so that the request that the cluster is delivered for finds them; what is wrong is told by the watch.
    try {
      if ('trustBundle' in placed) sink.setTrustBundle({ name, certificates: readFileSync(placed.trustBundle, 'utf8') });
      else {
        const certificateChain = readFileSync(placed.certificate, 'utf8');
        const privateKey = new PrivateKey(privateKeyBlock(readFileSync(placed.privateKey, 'utf8')));
        sink.setSvid({ name, certificateChain, privateKey });
      }
    } catch {
      // Cannot be read now: so says the watch, which waits for it.
    }
    const watching: IdentitySink = {
      ...withoutStatus(sink),
      status: ({ error }) => {
        if (!signal.aborted) this.note(name, error);
      },
    };
    void fileIdentity({ ...placed, name, clock: this.clock, badStart: 'watch' }).run(watching, signal);
  }

  private note(name: SecretRef, trouble: string | undefined): void {
    if (this.troubles.get(name) === trouble) return;
    if (trouble === undefined) this.troubles.delete(name);
    else this.troubles.set(name, trouble);
    this.onTrouble([...this.troubles.values()]);
  }
}
