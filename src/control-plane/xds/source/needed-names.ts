/**
 * The names that what is wanted needs of each kind: subscribes to them, and drops what there is of those that
 * are needed no longer: a while later (leavers.ts), but at once where it was refused or the server has it no longer.
 */
import type { ControlPlaneContext } from '../../../model/contracts.ts';
import type { KeptKind, KeptResources } from './kept-resources.ts';
import { Leavers } from './leavers.ts';
import type { Listeners } from './listeners.ts';
import type { SecretDelivery } from './secrets.ts';
import type { SourceStatus } from './source-status.ts';
import type { Subscriptions } from './subscriptions.ts';

/** What they act on. */
export interface NeededNamesParts {
  readonly context: ControlPlaneContext;
  readonly kept: Readonly<Record<KeptKind, KeptResources>>;
  readonly absences: Readonly<Record<KeptKind, ReadonlyMap<string, string>>>;
  readonly subscriptions: Subscriptions;
  readonly listeners: Listeners;
  readonly secrets: SecretDelivery;
  readonly status: SourceStatus;
}

export class NeededNames {
  private readonly parts: NeededNamesParts;
  private readonly leavers: Leavers;

  constructor(parts: NeededNamesParts) {
    this.parts = parts;
    this.leavers = new Leavers(parts.context.clock, (kind, name) => this.drop(kind, name));
    parts.context.signal.addEventListener('abort', () => this.leavers.close(), { once: true });
  }

  /** These are needed from now on, and no others of the kind. */
  set(kind: KeptKind, names: ReadonlySet<string>): void {
    const { subscriptions, kept, absences, status } = this.parts;
    for (const name of names) this.leavers.returns(kind, name);
    for (const name of subscriptions.set(kind, names)) {
      (absences[kind] as Map<string, string>).delete(name);
      const entry = kept[kind].get(name);
      if (entry === undefined) continue;
      if (entry.gone !== undefined) status.note(`gone ${kind} ${name}`, undefined);
      // What was refused, or is gone, is asked for anew.
      if (entry.bytes === undefined || entry.gone !== undefined) this.drop(kind, name);
      else {
        kept[kind].forgive(entry);
        this.leavers.leaves(kind, name);
      }
    }
  }

  private drop(kind: KeptKind, name: string): void {
    this.parts.kept[kind].delete(name);
    if (kind === 'secret') this.parts.secrets.remove(name);
    if (kind === 'extension') this.parts.listeners.extensionChanged(name);
  }
}
