import { PrivateKey } from '../../model/identity.ts';
import type { IdentitySink, IdentitySource } from '../../model/contracts.ts';

/** Our certificate with its key, and whom we trust; PEM. What {@link testAuthority} issues fits. */
export interface FakeIdentity {
  readonly certificateChain?: string;
  readonly privateKey?: string | { reveal(): string };
  /** Roots of peers. */
  readonly trustBundle?: string;
}

/** The identity source of a fake control plane: what it holds is delivered under the name `default`, at the start and at each change. */
export class FakeIdentitySource implements IdentitySource {
  readonly name: string;
  #held: FakeIdentity;
  #sink: IdentitySink | undefined;

  constructor(name: string, held: FakeIdentity) {
    this.name = name;
    this.#held = held;
  }

  async run(sink: IdentitySink, signal: AbortSignal): Promise<void> {
    this.#sink = sink;
    this.#deliver(this.#held);
    if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    this.#sink = undefined;
  }

  /** What is named replaces what there was. Throws a TypeError with the reason when the mesh refuses it; the old one stays then. */
  rotate(next: FakeIdentity): void {
    this.#deliver(next);
    this.#held = { ...this.#held, ...next };
  }

  #deliver({ certificateChain, privateKey, trustBundle }: FakeIdentity): void {
    const name = 'default';
    const key = typeof privateKey === 'object' ? privateKey.reveal() : privateKey;
    const verdicts = [
      trustBundle === undefined ? undefined : this.#sink?.setTrustBundle({ name, certificates: trustBundle }),
      certificateChain === undefined || key === undefined
        ? undefined
        : this.#sink?.setSvid({ name, certificateChain, privateKey: new PrivateKey(key) }),
    ];
    for (const verdict of verdicts) if (verdict?.ok === false) throw new TypeError(verdict.reason);
  }
}
