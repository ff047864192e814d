/**
 * Tells when files change, without losing a change. Directories are watched rather than files, since a file that is replaced by a
 * rename (editors, `kubectl` mounts that swap a `..data` link, certbot) takes its watch with it. What counts as a change is the
 * identity of the file behind all links (device, inode, size, times), so an event for a neighbour says nothing, and a change for
 * which no event came (network file systems, a link whose target was rewritten, a directory that did not exist yet) is found by
 * a slow poll.
 */
import { statSync, watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import type { Clock, Timer } from './runtime.ts';

/** Events come in bursts (truncate, write, rename): look once they have been quiet for this long. */
const settleMs = 50;
/** A poll costs one `stat` a file; it is the safety net, not the way that changes are usually found. */
const pollMs = 5000;

/**
 * Calls `onChange` with those of `paths` that were created, replaced, written or removed since the call (or since the last
 * report). Changes in quick succession come as one. The returned function stops it; neither watch nor timers keep the process
 * alive.
 */
export function watchFiles(paths: readonly string[], onChange: (changed: readonly string[]) => void, clock: Clock): () => void {
  const seen = new Map(paths.map((path) => [path, fingerprintSync(path)]));
  const directories = new Set(paths.map((path) => dirname(resolve(path))));
  const watchers = new Map<string, FSWatcher>();
  let stopped = false;
  let looking = false;
  let lookAgain = false;
  let settling: Timer | undefined;
  let polling: Timer | undefined;

  const look = async (): Promise<void> => {
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = true;
    do {
      lookAgain = false;
      const changed: string[] = [];
      for (const path of seen.keys()) {
        const now = await fingerprint(path);
        if (now !== seen.get(path)) {
          seen.set(path, now);
          changed.push(path);
        }
      }
      if (stopped) return;
      if (changed.length > 0) onChange(changed);
    } while (lookAgain);
    looking = false;
  };
  const onEvent = (): void => {
    settling ??= clock.setTimer(() => {
      settling = undefined;
      void look();
    }, settleMs);
  };
  const watchDirectories = (): void => {
    for (const directory of directories) {
      if (watchers.has(directory)) continue;
      const watcher = watchDirectory(directory, onEvent, () => watchers.delete(directory));
      if (watcher !== undefined) watchers.set(directory, watcher);
    }
  };
  const poll = (): void => {
    polling = clock.setTimer(() => {
      watchDirectories();
      void look();
      poll();
    }, pollMs);
  };

  watchDirectories();
  poll();
  return () => {
    stopped = true;
    settling?.cancel();
    polling?.cancel();
    for (const watcher of watchers.values()) watcher.close();
  };
}

/** Undefined when the directory cannot be watched (it does not exist, no watches are left): the poll goes on and tries again. */
function watchDirectory(directory: string, onEvent: () => void, onGone: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, onEvent);
    watcher.on('error', () => {
      watcher.close();
      onGone();
    });
    return watcher;
  } catch {
    return undefined;
  }
}

interface Fingerprinted {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

function fingerprintOf(file: Fingerprinted): string {
  return `${file.dev}:${file.ino}:${file.size}:${file.mtimeNs}:${file.ctimeNs}`;
}

function fingerprintSync(path: string): string | undefined {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  return file && fingerprintOf(file);
}

async function fingerprint(path: string): Promise<string | undefined> {
  try {
    return fingerprintOf(await stat(path, { bigint: true }));
  } catch {
    return undefined;
  }
}
