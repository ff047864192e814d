import type { Demand } from '../model/contracts.ts';

/** How sources that answer on demand are asked. Implemented by mesh.ts. */
export interface DemandBook {
  /** The source that has every host: it resolves names as they are written, a dot at the end included (an absolute name). */
  readonly lastResort: string;
  /** Whether that source is asked at all. */
  usesLastResort(): boolean;
  /**
   * Asks `source` once; `'pending'` while it has not answered, `'absent'` when it has nothing or takes no demands, `'failed'` when it
   * ended before it could say.
   */
  ask(source: string, want: Demand): 'pending' | 'absent' | 'failed';
  /** Why the source has it not, in its own words, if it said. */
  reason(source: string, want: Demand): string | undefined;
  /** What the sources say of themselves and of this, for the error of a wait that was in vain. */
  describe(want: Demand): string;
}
