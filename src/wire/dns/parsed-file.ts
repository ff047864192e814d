import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../base/runtime.ts';

/** A small file of the system, parsed, and read again when it changed. */
export interface ParsedFile<T> {
  /** As of at most a second ago. Never rejects: a file that is missing reads as empty, one that cannot be read keeps its last text. */
  current(): Promise<T>;
}

/** The file is looked at no more often than this, so that a thousand look-ups cost one `stat`. */
const checkEveryMs = 1000;

/** Watches by modification time, inode and size on demand: nothing runs while nobody asks. */
export function createParsedFile<T>(path: string, parse: (text: string) => T, clock: Clock): ParsedFile<T> {
  let value: T | undefined;
  let signature = '';
  let checkedMs = Number.NEGATIVE_INFINITY;
  let checking: Promise<T> | undefined;

  const check = async (): Promise<T> => {
    checkedMs = clock.now();
    try {
      const { mtimeNs, ino, size } = await stat(path, { bigint: true });
      const seen = `${mtimeNs} ${ino} ${size}`;
      if (value === undefined || seen !== signature) {
        value = parse(await readFile(path, 'utf8'));
        signature = seen;
      }
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (value === undefined || (isMissing && signature !== '')) value = parse('');
      if (isMissing) signature = '';
    }
    return value;
  };
  return {
    async current() {
      if (checking === undefined && value !== undefined && clock.now() - checkedMs < checkEveryMs) return value;
      checking ??= check().finally(() => {
        checking = undefined;
      });
      return checking;
    },
  };
}
