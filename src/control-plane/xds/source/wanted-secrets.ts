/** The secrets that wanted resources name: which of them the server is asked for, and whether it has said what they are. */
import { isRefusedName } from '../translate/tls-secrets.ts';
import type { XdsSourceOptions } from '../source.ts';
import type { KeptKind, KeptResources } from './kept-resources.ts';

/** A resource that was read, as far as its secrets go. */
interface NamesSecrets {
  readonly secretNames: readonly string[];
}

export class WantedSecrets {
  private readonly local: XdsSourceOptions['localSecrets'];
  private readonly kept: KeptResources;
  private readonly absences: ReadonlyMap<string, string>;

  constructor(parts: {
    readonly options: Pick<XdsSourceOptions, 'localSecrets'>;
    readonly kept: Readonly<Record<KeptKind, KeptResources>>;
    readonly absences: Readonly<Record<KeptKind, ReadonlyMap<string, string>>>;
  }) {
    this.local = parts.options.localSecrets;
    this.kept = parts.kept.secret;
    this.absences = parts.absences.secret;
  }

  /** Names to ask the server for. Whoever has secrets here is told which of them these resources use. */
  namesOf(reads: Iterable<NamesSecrets>): ReadonlySet<string> {
    const names = new Set<string>();
    const local = new Set<string>();
    for (const { secretNames } of reads)
      for (const name of secretNames) {
        if (isOfOthers(name)) continue;
        if (this.isLocal(name)) local.add(name);
        else names.add(name);
      }
    this.local?.use?.(local);
    return names;
  }

  /** Whether the server has said what the secrets of this resource are, or that there are none. */
  areKnown({ secretNames }: NamesSecrets): boolean {
    return secretNames.every(
      (name) => isOfOthers(name) || this.isLocal(name) || this.kept.get(name) !== undefined || this.absences.has(name),
    );
  }

  private isLocal(name: string): boolean {
    return this.local?.has(name) === true;
  }
}

/** Certificate providers are other parts' business, and some names stand for what nobody delivers. */
function isOfOthers(name: string): boolean {
  return name.startsWith('provider:') || isRefusedName(name);
}
