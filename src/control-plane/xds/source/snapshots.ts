/**
 * The last good resources that were in use, kept on the disk. Written a moment after what is in force changed; read once, when the
 * server has not spoken soon after the start. What comes from the disk is stale until the server confirms it or sends another, and
 * the status says so.
 */
import type { Clock, Timer } from '../../../base/runtime.ts';
import { readSnapshot, writeSnapshot, type SavedResource } from './snapshot-file.ts';
import type { SnapshotSettings } from './snapshot-settings.ts';
import type { SourceStatus } from './source-status.ts';

/** Changes in quick succession are written once. */
const settleMs = 1000;

/** What snapshots ask and tell. */
export interface SnapshotParts {
  readonly settings: SnapshotSettings;
  readonly clock: Clock;
  readonly status: SourceStatus;
  /** The resources in use, without those that hold secrets; undefined while they are not those of the server. */
  readonly current: () => readonly SavedResource[] | undefined;
  /** Takes resources from the disk. */
  readonly restore: (resources: readonly SavedResource[]) => Promise<void>;
}

export class Snapshots {
  private readonly parts: SnapshotParts;
  private waiting: Timer | undefined = undefined;
  private settling: Timer | undefined = undefined;
  private writing: Promise<void> = Promise.resolve();
  private hasSpoken = false;
  /** When what is on the disk was written, where that is in use. */
  writtenMs: number | undefined = undefined;

  constructor(parts: SnapshotParts) {
    this.parts = parts;
  }

  /** Gives the server its time. */
  start(): void {
    const { clock, settings } = this.parts;
    this.waiting = clock.setTimer(() => void this.use(), settings.waitMs);
  }

  /** The server has sent something: there is nothing to wait for. */
  spoken(): void {
    this.hasSpoken = true;
    this.parts.status.setRestored(undefined);
    this.waiting?.cancel();
  }

  /** What is in use changed. */
  changed(): void {
    if (!this.hasSpoken) return;
    this.settling ??= this.parts.clock.setTimer(() => {
      this.settling = undefined;
      this.write();
    }, settleMs);
  }

  /** Writes what waits to be written, and ends. */
  async close(): Promise<void> {
    this.waiting?.cancel();
    if (this.settling !== undefined) {
      this.settling.cancel();
      this.settling = undefined;
      this.write();
    }
    await this.writing;
  }

  private write(): void {
    const { settings, clock, current } = this.parts;
    const resources = current();
    if (resources === undefined) return;
    this.writing = this.writing.then(async () => {
      try {
        await writeSnapshot(settings.folder, settings.owner, { writtenMs: clock.wallNow(), resources });
        this.report(undefined);
      } catch (error) {
        this.report(`the snapshot could not be written: ${wordsOf(error)}`);
      }
    });
  }

  private async use(): Promise<void> {
    const { settings, clock, restore } = this.parts;
    try {
      const saved = await readSnapshot(settings.folder, settings.owner);
      if (saved === undefined || this.hasSpoken) return;
      const ageMs = clock.wallNow() - saved.writtenMs;
      if (ageMs > settings.maxAgeMs || ageMs < 0)
        throw new Error(
          ageMs < 0
            ? `it was written in the future, by the clock of now`
            : `it is ${Math.round(ageMs / 1000)} s old, and at most ${Math.round(settings.maxAgeMs / 1000)} s are allowed`,
        );
      this.writtenMs = saved.writtenMs;
      await restore(saved.resources);
      if (this.hasSpoken) return;
      const writtenAt = new Date(saved.writtenMs).toISOString().slice(0, 19);
      this.parts.status.setRestored(`what is asked for comes from the disk, where it was written at ${writtenAt}Z`);
    } catch (error) {
      this.report(`the snapshot was not used: ${wordsOf(error)}`);
    }
  }

  private report(reason: string | undefined): void {
    this.parts.status.note(
      'snapshot',
      reason === undefined ? undefined : { key: { kind: 'listener', name: '*' }, path: 'snapshot', reason },
    );
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
