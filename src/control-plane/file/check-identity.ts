import { isMeshError } from '../../base/errors.ts';
import type { Clock } from '../../base/runtime.ts';
import { fileIdentity } from '../../security/file-identity.ts';
import { identityPaths } from './configured-identity.ts';
import type { IdentityFile } from './schema.ts';

/** What was found in the PEM files of `identity`: why a mesh would not start with them, or what it would warn of. */
export interface IdentityReport {
  readonly error?: string;
  readonly warning?: string;
}

/**
 * Opens the files of `identity` once, as a mesh does when it starts; relative paths start at `directory`. Files that seem to be
 * written just now are waited for, half a second at most.
 */
export async function checkIdentityFiles(identity: IdentityFile, directory: string, clock: Clock): Promise<IdentityReport> {
  const stopping = new AbortController();
  let warning: string | undefined;
  const source = fileIdentity({ ...identityPaths(identity, directory), clock, badStart: 'reject' });
  const sink = {
    setSvid: () => ({ ok: true }) as const,
    setTrustBundle: () => ({ ok: true }) as const,
    remove: () => {},
    status: ({ state, error }: { readonly state: string; readonly error?: string }) => {
      if (state !== 'connected') return;
      warning = error;
      stopping.abort();
    },
  };
  try {
    await source.run(sink, stopping.signal);
    return warning === undefined ? {} : { warning };
  } catch (error) {
    if (!isMeshError(error)) throw error;
    return { error: error.message };
  }
}
