/** What is asked for, and what was said of it. */
import type { ConfigSink, Demand } from '../../../model/contracts.ts';
import type { Authority } from './authority.ts';

interface Want {
  readonly want: Demand;
  readonly authority: Authority | undefined;
  /** The reason that was given last for its absence. */
  told: string | undefined;
}

export class Wants {
  private readonly wants = new Map<string, Want>();

  /** Adds a demand; calls back when it ends. */
  add(want: Demand, until: AbortSignal, onEnd: () => void): void {
    const key = keyOf(want);
    const authority = want.kind === 'authority' ? { host: want.host.toLowerCase(), port: want.port } : undefined;
    const entry: Want = { want, authority, told: undefined };
    this.wants.set(key, entry);
    until.addEventListener(
      'abort',
      () => {
        // The same may have been asked for anew.
        if (this.wants.get(key) !== entry) return;
        this.wants.delete(key);
        onEnd();
      },
      { once: true },
    );
  }

  /** The same object for as long as the demand lasts. */
  authorityOf(want: Demand): Authority | undefined {
    return this.wants.get(keyOf(want))?.authority;
  }

  authorities(): readonly Authority[] {
    return [...this.wants.values()].flatMap(({ authority }) => authority ?? []);
  }

  clusters(): readonly string[] {
    return [...this.wants.values()].flatMap(({ want }) => (want.kind === 'cluster' ? [want.name] : []));
  }

  /**
   * Tells of what is not there, once for each reason. Again of a cluster that was just set: the store takes that for an answer, and
   * what is missing are its endpoints.
   */
  tell(
    sink: ConfigSink,
    ofAuthority: (authority: Authority) => string | undefined,
    ofCluster: (name: string) => string | undefined,
    justSet: ReadonlySet<string>,
  ): void {
    for (const entry of this.wants.values()) {
      const { want, authority } = entry;
      const reason = want.kind === 'cluster' ? ofCluster(want.name) : authority && ofAuthority(authority);
      const isAgain = want.kind === 'cluster' && justSet.has(want.name);
      if (reason !== undefined && (reason !== entry.told || isAgain)) sink.absent(want, reason);
      entry.told = reason;
    }
  }
}

function keyOf(want: Demand): string {
  return want.kind === 'cluster' ? `cluster ${want.name}` : `authority ${want.host}:${want.port}`;
}
