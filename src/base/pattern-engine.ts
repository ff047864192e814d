import { RE2JS } from 're2js';
import { setPatternEngine } from './pattern.ts';

/**
 * Makes patterns compile from now on, without the wait of `loadPatternEngine`: for functions that are not async. Importing this
 * module loads the engine, so that nothing which starts with a program may import it.
 */
export function usePatternEngine(): void {
  setPatternEngine(RE2JS);
}
