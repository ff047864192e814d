/**
 * Certificates, keys and roots that TLS contexts name or bring along. A snapshot of the model holds names alone: what stands in a
 * resource itself is handed on beside it, under a name made from what it is, and goes to the identity store.
 */
import type { Svid, TrustBundle } from '../../../model/identity.ts';
import type { SecretRef } from '../../../model/tls.ts';

/** One certificate with its key, or a set of roots. */
export type ReceivedSecret = { readonly svid: Svid } | { readonly trustBundle: TrustBundle };

const refusedPrefix = 'not carried out: ';

/** Whether the name is that of something which cannot be carried out. */
export function isRefusedName(name: SecretRef | undefined): boolean {
  return name?.startsWith(refusedPrefix) === true;
}

/** What the TLS contexts of a resource need. */
export class TlsSecrets {
  /**
   * `'refuse'` = a file of this machine that a resource names is a problem; `'name'` = it becomes the name of a secret, `file:<path>`: for
   * resources that somebody wrote here.
   */
  readonly files: 'refuse' | 'name';
  /** What stood in the resource itself, by its name. */
  private readonly inline = new Map<SecretRef, ReceivedSecret>();
  /** Names that somebody else delivers: secrets of SDS, certificate providers. */
  private readonly references = new Set<SecretRef>();

  constructor(files: 'refuse' | 'name' = 'refuse') {
    this.files = files;
  }

  /** Notes a name that somebody else delivers. */
  refer(name: SecretRef): SecretRef {
    this.references.add(name);
    return name;
  }

  /** A name that nobody delivers, for what cannot be carried out: connections fail, and the error says why. */
  refuse(what: string): SecretRef {
    return `${refusedPrefix}${what}`;
  }

  /** Notes a secret that stood in the resource. */
  add(secret: ReceivedSecret): SecretRef {
    const { name } = 'svid' in secret ? secret.svid : secret.trustBundle;
    this.inline.set(name, secret);
    return name;
  }

  get secrets(): readonly ReceivedSecret[] {
    return [...this.inline.values()];
  }

  get names(): readonly SecretRef[] {
    return [...this.references];
  }
}
