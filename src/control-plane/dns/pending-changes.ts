import { clusterName, type Authority } from './translate.ts';

/** What the next update has to say; several changes become one. */
export class PendingChanges {
  private readonly changed = new Map<string, { readonly authority: Authority; readonly isSet: boolean }>();
  private waiter: (() => void) | undefined = undefined;
  private isTouched = false;

  add(authority: Authority): void {
    this.changed.set(clusterName(authority), { authority, isSet: true });
    this.touch();
  }

  remove(authority: Authority): void {
    this.changed.set(clusterName(authority), { authority, isSet: false });
    this.touch();
  }

  touch(): void {
    this.isTouched = true;
    this.waiter?.();
  }

  /** Resolves when there is something to say. */
  async wait(): Promise<void> {
    if (!this.isTouched) {
      await new Promise<void>((resolve) => {
        this.waiter = resolve;
      });
    }
    this.waiter = undefined;
  }

  take(): { readonly set: readonly Authority[]; readonly removed: readonly Authority[] } {
    const all = [...this.changed.values()];
    this.changed.clear();
    this.isTouched = false;
    const of = (isSet: boolean): readonly Authority[] =>
      all.filter((change) => change.isSet === isSet).map(({ authority }) => authority);
    return { set: of(true), removed: of(false) };
  }
}
