import type { ControlPlane, Demand } from '../../../src/model/contracts.ts';
import type { SourceSnapshot } from '../../../src/model/snapshot.ts';
import { consulSurroundings } from './consul-surroundings.ts';
import { dnsSurroundings } from './dns-surroundings.ts';
import { fileSurroundings } from './file-surroundings.ts';
import { xdsSurroundings } from './xds-surroundings.ts';

/** A control plane and the world that it reads from, which a test can change. */
export interface Surroundings extends AsyncDisposable {
  readonly plane: ControlPlane;
  /** What a request for the service would ask for. */
  readonly wanted: Demand;
  /** Something that the source will never have; absent for a source that delivers everything at once. */
  readonly unknown?: Demand;
  /** The world says something good, which differs for each number. Before the first call it says nothing at all. */
  publish(number: number): Promise<void>;
  /** The world says something that cannot be used, or breaks down, until the next `publish`. */
  spoil(): Promise<void>;
  /** Whether what was published under the number is in force. */
  isInForce(source: SourceSnapshot, number: number): boolean;
}

/** Every control plane; a new one is one line here and its surroundings. */
export const surroundings: Readonly<Record<string, () => Promise<Surroundings>>> = {
  file: fileSurroundings,
  dns: dnsSurroundings,
  consul: consulSurroundings,
  xds: xdsSurroundings,
};
