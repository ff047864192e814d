/**
 * The certificate providers of a bootstrap: files that TLS contexts of the server name by the name of their instance (gRFC A29, A65).
 * They are watched, so that rotated ones are used at once; the refresh interval of the bootstrap is not needed for that.
 */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../base/runtime.ts';
import { watchFiles } from '../../base/watch-file.ts';
import type { IdentitySink, IdentitySource } from '../../model/contracts.ts';
import type { TrustBundle } from '../../model/identity.ts';
import { fileIdentity } from '../../security/file-identity.ts';
import type { CertificateProviderConfig } from './client/bootstrap.ts';

/** The sources of all instances, each under `provider:<name>`. */
export function certificateProviders(configs: readonly CertificateProviderConfig[], clock: Clock): readonly IdentitySource[] {
  return configs.flatMap(({ name: instance, certificateFile, privateKeyFile, rootsFile, spiffeBundleMapFile }) => {
    const name = `provider:${instance}`;
    const sources: IdentitySource[] = [];
    // A map of bundles says more than roots for every trust domain, and is used in their place (gRFC A87).
    const trustBundle = spiffeBundleMapFile === undefined ? rootsFile : undefined;
    if (certificateFile !== undefined || trustBundle !== undefined) {
      sources.push(
        fileIdentity({
          name,
          clock,
          badStart: 'watch',
          ...(certificateFile !== undefined &&
            privateKeyFile !== undefined && { certificate: certificateFile, privateKey: privateKeyFile }),
          ...(trustBundle !== undefined && { trustBundle }),
        }),
      );
    }
    if (spiffeBundleMapFile !== undefined) sources.push(bundleMapSource(name, spiffeBundleMapFile, clock));
    return sources;
  });
}

/** Trust domains with their roots out of a file. */
function bundleMapSource(name: string, file: string, clock: Clock): IdentitySource {
  return {
    name: `file ${file}`,
    async run(sink, signal) {
      let unwatch = (): void => {};
      const aborted = new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
      let reading = Promise.resolve();
      unwatch = watchFiles([file], () => void (reading = reading.then(() => read(name, file, sink))), clock);
      reading = read(name, file, sink);
      await aborted;
      unwatch();
      await reading;
    },
  };
}

async function read(name: string, file: string, sink: IdentitySink): Promise<void> {
  try {
    const verdict = sink.setTrustBundle(bundleFromMap(name, await readFile(file, 'utf8')));
    sink.status(verdict.ok ? { state: 'connected' } : { state: 'failed', error: `${file}: ${verdict.reason}` });
  } catch (error) {
    // What was read before stays in force.
    sink.status({ state: 'failed', error: `${file}: ${error instanceof Error ? error.message : String(error)}` });
  }
}

/**
 * The bundle of a map `{ trust_domains: { "example.org": { keys: [{ use: "x509-svid", x5c: [DER in base64] }] } } }`. Throws an Error
 * that says what is wrong with it. Source: gRFC A87, SPIFFE Trust Domain and Bundle, section 4.
 */
export function bundleFromMap(name: string, text: string): TrustBundle {
  const map = parseMap(text);
  const domains = Object.entries(map.trust_domains ?? {}).map(([trustDomain, { keys = [] }]) => {
    const roots = keys.filter(({ use }) => use === 'x509-svid').map(({ x5c }) => x5c ?? []);
    for (const chain of roots)
      if (chain.length !== 1) throw new Error(`a key of ${trustDomain} must have exactly one certificate (x5c)`);
    if (roots.length === 0) throw new Error(`${trustDomain} has no key for x509-svid`);
    return { trustDomain, certificates: roots.map(([der]) => pemOf(der!)).join('') };
  });
  const [first, ...federated] = domains;
  if (first === undefined) throw new Error('the map has no trust_domains');
  return { name, ...first, ...(federated.length > 0 && { federated }) };
}

type BundleMap = { readonly trust_domains?: Readonly<Record<string, { readonly keys?: readonly MapKey[] }>> };

function parseMap(text: string): BundleMap {
  try {
    return JSON.parse(text) as BundleMap;
  } catch {
    // The parser's own words quote the file, which may be a private key by mistake.
    throw new Error('the map is not JSON');
  }
}

interface MapKey {
  readonly use?: string;
  readonly x5c?: readonly string[];
}

function pemOf(base64: string): string {
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END CERTIFICATE-----\n`;
}
