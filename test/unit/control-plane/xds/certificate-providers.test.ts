import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../../../../src/base/runtime.ts';
import { bundleFromMap, certificateProviders } from '../../../../src/control-plane/xds/certificate-providers.ts';
import { createIdentityStore } from '../../../../src/security/identity-store.ts';
import { testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { eventually } from '../../../support/mesh-of.ts';

const authority = await testAuthority();
const der = authority.certificate.replace(/-----[^-]+-----|\s/g, '');
const mapOf = (keys: readonly object[]): string => JSON.stringify({ trust_domains: { 'example.org': { keys } } });

describe('certificate providers', () => {
  it('deliver their files under the name of the instance, and follow them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'providers-'));
    const stop = new AbortController();
    try {
      const files = { certificateFile: join(folder, 'c'), privateKeyFile: join(folder, 'k'), rootsFile: join(folder, 'r') };
      const bundles = join(folder, 'map');
      const issued = await workloadCertificate(authority, 'orders');
      await writeFile(files.certificateFile, issued.certificateChain);
      await writeFile(files.privateKeyFile, issued.privateKey.reveal(), { mode: 0o600 });
      await writeFile(files.rootsFile, authority.certificate);
      await writeFile(bundles, 'half a file');
      const store = createIdentityStore({ clock: systemClock });
      const sources = certificateProviders(
        [
          { name: 'ours', ...files },
          { name: 'others', spiffeBundleMapFile: bundles },
        ],
        systemClock,
      );
      const runs = sources.map((source) => source.run(store.sinkOf('xds'), stop.signal));
      await eventually(
        'the files',
        () => store.trustBundle('provider:ours') !== undefined && store.svid('provider:ours') !== undefined,
      );
      assert.equal(store.trustBundle('provider:others'), undefined);
      await writeFile(bundles, mapOf([{ use: 'x509-svid', kty: 'EC', x5c: [der] }]));
      await eventually('the map that is whole now', () => store.trustBundle('provider:others')?.trustDomain === 'example.org');
      stop.abort();
      await Promise.all(runs);
    } finally {
      stop.abort();
      await rm(folder, { recursive: true });
    }
  });

  it('quoted a file that is no map of bundles in the status', () => {
    const thrown = (text: string): string => {
      try {
        bundleFromMap('provider:x', text);
        return '';
      } catch (error) {
        return String(error);
      }
    };
    assert.equal(thrown('hunter2'), 'Error: the map is not JSON');
    assert.equal(thrown('{ "a": hunter2 }'), 'Error: the map is not JSON');
  });

  for (const { name, text, error } of [
    { name: 'no-domains', text: '{}', error: /no trust_domains/ },
    { name: 'no-roots', text: mapOf([{ use: 'jwt-svid' }]), error: /example.org has no key for x509-svid/ },
    { name: 'two-certificates', text: mapOf([{ use: 'x509-svid', x5c: [der, der] }]), error: /exactly one certificate/ },
  ]) {
    it(`do not take a map of bundles that says too little: ${name}`, () => {
      assert.throws(() => bundleFromMap('provider:x', text), error);
    });
  }
});
