/**
 * Whether a pattern may be used: RE2 syntax (linear time, so no request can make a match slow), at most 1 KiB, at most 1,000
 * instructions. The engine is loaded when the first pattern comes, since most configurations have none.
 */
import { LRUCache } from 'lru-cache';
import { printed } from './check.ts';

const maxPatternBytes = 1024;
const maxProgramSize = 1000; // what a request may cost is the length of its path times this
const remembered = 10_000; // patterns whose verdict is kept: the same few come again with every update

/** Makes the test; resolves when the engine is loaded. */
export async function loadPatternTest(): Promise<(pattern: string) => string | undefined> {
  const { RE2JS } = await import('re2js');
  const verdicts = new LRUCache<string, { readonly fault: string | undefined }>({ max: remembered });
  return (pattern) => {
    if (Buffer.byteLength(pattern) > maxPatternBytes) return `the pattern is longer than ${maxPatternBytes} bytes`;
    let verdict = verdicts.get(pattern);
    if (verdict === undefined) {
      verdict = { fault: compileFault(pattern, RE2JS) };
      verdicts.set(pattern, verdict);
    }
    return verdict.fault;
  };
}

function compileFault(pattern: string, engine: { compile(pattern: string): { programSize(): number } }): string | undefined {
  try {
    const size = engine.compile(pattern).programSize();
    return size > maxProgramSize
      ? `the pattern ${printed(pattern)} compiles to ${size} instructions; at most ${maxProgramSize} are allowed`
      : undefined;
  } catch (error) {
    return `${printed(pattern)} is not a pattern in RE2 syntax (${error instanceof Error ? error.message : 'unknown'})`;
  }
}
