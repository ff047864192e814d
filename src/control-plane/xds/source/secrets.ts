/**
 * Certificates, keys and roots on their way to the identities of the mesh: those of SDS, and those that stand in a resource itself.
 * Nothing of them is kept here but what has not been taken yet; they are in no status, no finding, no snapshot and no error.
 *
 * All sources of a mesh share the names of secrets. What a server names gets the name of its source in front (`xds/default`), so that it
 * can never be taken for the identity of another source, whichever of them is first.
 */
import type { IdentitySink, IdentitySource } from '../../../model/contracts.ts';
import type { SecretRef } from '../../../model/tls.ts';
import { nameOf, renamed, type ReceivedSecret } from '../translate/tls-secrets.ts';

/** Where secrets go. */
export class SecretDelivery {
  private sink: IdentitySink | undefined = undefined;
  private readonly taken = Promise.withResolvers<IdentitySink>();
  /** Those that came before there was anybody to take them. */
  private early = new Map<SecretRef, readonly ReceivedSecret[]>();
  private readonly delivered = new Set<SecretRef>();
  private ofResources = new Map<SecretRef, readonly ReceivedSecret[]>();
  /** The name by which the mesh knows a secret that the server names. */
  readonly named: (name: SecretRef) => SecretRef;

  constructor(named: (name: SecretRef) => SecretRef) {
    this.named = named;
  }

  /** The source for `ControlPlane.identity`. */
  source(name: string): IdentitySource {
    return {
      name,
      run: async (sink, signal) => {
        this.sink = sink;
        this.taken.resolve(sink);
        for (const secrets of this.early.values()) for (const secret of secrets) this.hand(secret);
        this.early.clear();
        sink.status({ state: 'connected' });
        await aborted(signal);
      },
    };
  }

  /** Runs other sources into the same identities, as soon as somebody takes them; resolves when the signal aborts. */
  async runAlso(sources: readonly IdentitySource[], signal: AbortSignal): Promise<void> {
    if (sources.length === 0) return;
    const sink = await Promise.race([this.taken.promise, aborted(signal)]);
    if (sink !== undefined) await Promise.all(sources.map((source) => source.run(sink, signal)));
  }

  /** Hands a secret of the server on. The reason why it was refused, if it was; the last good one stays then. */
  set(secret: ReceivedSecret): string | undefined {
    return this.hand(renamed(secret, this.named));
  }

  private hand(secret: ReceivedSecret): string | undefined {
    const name = nameOf(secret);
    if (this.sink === undefined) {
      const kind = 'svid' in secret ? 'svid' : 'trustBundle';
      const others = (this.early.get(name) ?? []).filter((other) => !(kind in other));
      this.early.set(name, [...others, secret]);
      return undefined;
    }
    this.delivered.add(name);
    const verdict = 'svid' in secret ? this.sink.setSvid(secret.svid) : this.sink.setTrustBundle(secret.trustBundle);
    return verdict.ok ? undefined : verdict.reason;
  }

  /** Takes a secret of the server back. */
  remove(name: SecretRef): void {
    this.take(this.named(name));
  }

  private take(name: SecretRef): void {
    this.early.delete(name);
    if (this.delivered.delete(name)) this.sink?.remove(name);
  }

  /** All secrets that stand in resources that are in use, by the names that these have for them; those that stood in others are taken back. */
  setOfResources(secrets: Iterable<ReceivedSecret>): void {
    const next = new Map<SecretRef, readonly ReceivedSecret[]>();
    for (const secret of secrets) next.set(nameOf(secret), [...(next.get(nameOf(secret)) ?? []), secret]);
    for (const name of this.ofResources.keys()) if (!next.has(name)) this.take(name);
    for (const [name, list] of next) {
      // Their names are made from what they are, so that one that is there is the same.
      if (!this.ofResources.has(name)) for (const secret of list) this.hand(secret);
    }
    this.ofResources = next;
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
