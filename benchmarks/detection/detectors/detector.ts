import type { Random } from '../../../src/base/runtime.ts';
import type { EventQueue } from '../../../test/simulation/event-queue.ts';

/** What a detector is made with. */
export interface DetectorSetting {
  readonly hosts: number;
  readonly random: Random;
  /** Virtual time; it stands at the outcome that is recorded. */
  readonly queue: EventQueue;
  /** Called for each ejection. */
  readonly onEject: (host: number, now: number) => void;
}

/** Watches the outcomes of the hosts of one service. */
export interface Detector {
  /** A request to this host ended. What ends while the host is out is shown too, and is the detector's to ignore, or its probe. */
  record(host: number, isFailure: boolean, now: number): void;
  isOut(host: number, now: number): boolean;
}

/** One kind of detector, with its parameters. */
export interface DetectorKind {
  readonly name: string;
  create(setting: DetectorSetting): Detector;
}
