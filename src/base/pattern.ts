/**
 * Patterns from configuration. They are run by RE2 (linear time, so that no request can make a match slow) and never by the engine of
 * JavaScript; they are at most 1 KiB and 1,000 instructions, since that bounds what one path of a request may cost.
 *
 * The engine is loaded when the first pattern comes, because most configurations have none and it costs 8 ms and 1 MB. Whoever
 * checks configuration loads it (the store); from then on patterns compile at once.
 */
import { LRUCache } from 'lru-cache';
import type { RE2JS } from 're2js';

/** A compiled pattern. `testExact` says whether the whole text matches. */
export type Pattern = RE2JS;

/** A pattern beyond its bounds of size, which other engines would take. */
export class PatternSizeError extends SyntaxError {}

/** Longer ones are refused without being compiled. */
export const maxPatternBytes = 1024;
const maxProgramSize = 1000;

/** Configurations repeat their patterns, and come again with every update. */
const maxKeptPatterns = 1000;

let engine: typeof RE2JS | undefined;
let kept: LRUCache<string, Pattern> | undefined;

/** Loads the engine; later calls cost nothing. */
export async function loadPatternEngine(): Promise<void> {
  engine ??= (await import('re2js')).RE2JS;
}

/** Takes an engine that somebody else has loaded (pattern-engine.ts). */
export function setPatternEngine(loaded: typeof RE2JS): void {
  engine ??= loaded;
}

/** Whether patterns can be compiled already. */
export function isPatternEngineLoaded(): boolean {
  return engine !== undefined;
}

/**
 * Compiles a pattern in RE2 syntax, once: who asks again gets the same. Throws a SyntaxError that says what is wrong, and a TypeError
 * when the engine is not loaded.
 */
export function compilePattern(pattern: string): Pattern {
  kept ??= new LRUCache({ max: maxKeptPatterns });
  let compiled = kept.get(pattern);
  if (compiled === undefined) kept.set(pattern, (compiled = compileAnew(pattern)));
  return compiled;
}

function compileAnew(pattern: string): Pattern {
  if (Buffer.byteLength(pattern) > maxPatternBytes)
    throw new PatternSizeError(`the pattern is longer than ${maxPatternBytes} bytes`);
  if (engine === undefined) throw new TypeError('the pattern engine is not loaded; await loadPatternEngine() before');
  let compiled: Pattern;
  try {
    compiled = engine.compile(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown';
    throw new SyntaxError(`${JSON.stringify(pattern)} is not a pattern in RE2 syntax (${reason})`, { cause: error });
  }
  const size = compiled.programSize();
  if (size > maxProgramSize) {
    throw new PatternSizeError(
      `${JSON.stringify(pattern)} compiles to ${size} instructions; at most ${maxProgramSize} are allowed`,
    );
  }
  return compiled;
}
