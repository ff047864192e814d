import type { Demand } from '../model/contracts.ts';
import type { DemandBook } from './demand-book.ts';
import { parseOrigin, type OriginEntry } from './origin.ts';
import type { ClusterSlot } from './routing/compiled-route.ts';

/** Why something is not there, in the words of the sources, for errors and `explain()`. */
export class SourceWords {
  private readonly book: DemandBook;
  private readonly sources: () => readonly { readonly name: string }[];

  constructor(book: DemandBook, sources: () => readonly { readonly name: string }[]) {
    this.book = book;
    this.sources = sources;
  }

  /** Why no source has the cluster, in the words of those that said something: ` (consul: …)`, or nothing. */
  whyNoCluster(source: string, { name, isNamed }: ClusterSlot): string {
    return this.absenceIn(isNamed ? [source] : this.sourcesFrom(source), { kind: 'cluster', name });
  }

  /** Why no source has the host: what each said, and that unknown hosts are refused where they are. */
  whyUnknown({ authority, host, port, failedSource }: OriginEntry): string {
    const reasons = this.absenceIn(this.sourcesFrom(undefined), { kind: 'authority', host, port });
    if (failedSource !== undefined)
      return `whether ${failedSource} knows ${authority} cannot be said, since it has failed${reasons}; what it might secure is not left to DNS`;
    const refusal = ', and unknownHosts is "refuse"; declare the service, or set unknownHosts: dns';
    return `no control plane knows ${authority}${reasons}${this.book.usesLastResort() ? '' : refusal}`;
  }

  /** Why a host was left to DNS, by the control planes that could have had it; empty where none said anything. */
  whyLeftToDns({ host, port, isLastResort }: OriginEntry): string {
    if (!isLastResort) return '';
    const reasons = this.absenceIn(this.sourcesFrom(undefined), { kind: 'authority', host, port });
    return reasons === '' ? '' : `; no control plane knows the host, and it was left to DNS${reasons}`;
  }

  /** What the sources say of themselves while a host waits for them. */
  whyPending(origin: string): string {
    const { host, port } = parseOrigin(origin);
    return this.book.describe({ kind: 'authority', host, port });
  }

  /** Names of the sources, this one first. */
  sourcesFrom(source: string | undefined): readonly string[] {
    const names = this.sources().map(({ name }) => name);
    return source === undefined ? names : [source, ...names.filter((name) => name !== source)];
  }

  /** What these sources said of something that none of them has: ` (consul: …; mine: …)`, or nothing. */
  private absenceIn(sources: readonly string[], want: Demand): string {
    const { book } = this;
    const reasons = sources.flatMap((name) => {
      if (name === book.lastResort && (want.kind === 'cluster' || !book.usesLastResort())) return [];
      const reason = book.reason(name, want);
      return reason === undefined ? [] : [`${name}: ${reason}`];
    });
    return reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  }
}
