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

/** The name of a secret. */
export function nameOf(secret: ReceivedSecret): SecretRef {
  return 'svid' in secret ? secret.svid.name : secret.trustBundle.name;
}

/** The secret under another name. */
export function renamed(secret: ReceivedSecret, named: (name: SecretRef) => SecretRef): ReceivedSecret {
  const name = named(nameOf(secret));
  return 'svid' in secret ? { svid: { ...secret.svid, name } } : { trustBundle: { ...secret.trustBundle, name } };
}

/** Beginnings of the names that parts of this process make up, and no server may take. */
const ownPrefixes = ['file:', 'provider:', 'inline:', refusedPrefix.trimEnd()] as const;

/** Why a server may not give a secret this name; undefined when it may. */
export function reservedName(name: SecretRef): string | undefined {
  const prefix = ownPrefixes.find((own) => name.startsWith(own));
  return prefix && `must not begin with ${JSON.stringify(prefix)}: such names are given here`;
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
  private readonly named: (name: SecretRef) => SecretRef;

  /** `named` gives the name by which the mesh knows a secret of this server. Default: the same. */
  constructor(files: 'refuse' | 'name' = 'refuse', named: (name: SecretRef) => SecretRef = (name) => name) {
    this.files = files;
    this.named = named;
  }

  /** Notes a name that somebody else delivers. */
  refer(name: SecretRef): SecretRef {
    this.references.add(name);
    return name;
  }

  /** Notes a secret that the server delivers by itself (SDS), and gives the name by which the mesh knows it. */
  referToServer(name: SecretRef): SecretRef {
    return this.named(this.refer(name));
  }

  /** A name that nobody delivers, for what cannot be carried out: connections fail, and the error says why. */
  refuse(what: string): SecretRef {
    return `${refusedPrefix}${what}`;
  }

  /** Notes a secret that stood in the resource. */
  add(secret: ReceivedSecret): SecretRef {
    const own = renamed(secret, this.named);
    const name = nameOf(own);
    this.inline.set(name, own);
    return name;
  }

  get secrets(): readonly ReceivedSecret[] {
    return [...this.inline.values()];
  }

  get names(): readonly SecretRef[] {
    return [...this.references];
  }
}
