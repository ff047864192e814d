/**
 * Tells when files change, without losing a change. Directories are watched rather than files, since a file that is replaced by a
 * rename (editors, `kubectl` mounts that swap a `..data` link, certbot) takes its watch with it: that of the path, and that of the
 * file behind its links. What counts as a change is the identity of the file behind all links (device, inode, size, times), so an
 * event for a neighbour says nothing, and a change for which no event came (network file systems, a directory that was replaced
 * or did not exist yet, a link in the middle of the path) is found by a slow poll.
 */
import { realpathSync, statSync, watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import type { Clock, Timer } from './runtime.ts';

/** Events come in bursts (truncate, write, rename): one look, this long after the first of them. */
const settleMs = 50;
/** A poll costs one `stat` a file; it is the safety net, not the way that changes are usually found. */
const pollMs = 2000;
/** Two writes within one tick of the file system's clock (4 ms on Linux, 15 ms on Windows) may look alike. */
const tickMs = 20;

/**
 * Calls `onChange` with those of `paths` that were created, replaced, written or removed since the call (or since the last
 * report). Changes in quick succession come as one. The returned function stops it; neither watch nor timers keep the process
 * alive.
 */
export function watchFiles(paths: readonly string[], onChange: (changed: readonly string[]) => void, clock: Clock): () => void {
  const seen = new Map(paths.map((path) => [path, fingerprintSync(path)]));
  const watchers = new Map<string, WatchedDirectory>();
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
      let isFresh = false;
      for (const path of seen.keys()) {
        const now = await fingerprint(path);
        if (now?.text === seen.get(path)) continue;
        // Written a moment ago: should another write of the same tick follow, it would look the same. Seen again, it counts again.
        const age = clock.wallNow() - (now?.changedMs ?? 0);
        const isUnsettled = age >= 0 && age < tickMs;
        isFresh ||= isUnsettled;
        seen.set(path, isUnsettled ? 'written within the tick of the look' : now?.text);
        changed.push(path);
      }
      if (stopped) return;
      watchDirectories();
      if (isFresh) onEvent();
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
    const wanted = new Set(paths.flatMap(directoriesOf));
    for (const [directory, { watcher, inode }] of watchers) {
      if (wanted.has(directory) && inode === inodeOf(directory)) continue;
      watcher.close();
      watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (watchers.has(directory)) continue;
      const watched = watchDirectory(directory, onEvent, () => watchers.delete(directory));
      if (watched !== undefined) watchers.set(directory, watched);
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
    for (const { watcher } of watchers.values()) watcher.close();
  };
}

interface WatchedDirectory {
  readonly watcher: FSWatcher;
  /** A directory that was replaced has another one; its watch is dead and says nothing of it. */
  readonly inode: bigint | undefined;
}

/** The directory that names the file, and the one that holds it. */
function directoriesOf(path: string): string[] {
  const named = dirname(resolve(path));
  try {
    return [named, dirname(realpathSync(path))];
  } catch {
    return [named];
  }
}

/** Undefined when the directory cannot be watched (it does not exist, no watches are left): the poll goes on and tries again. */
function watchDirectory(directory: string, onEvent: () => void, onGone: () => void): WatchedDirectory | undefined {
  try {
    const inode = inodeOf(directory);
    const watcher = watch(directory, { persistent: false }, onEvent);
    watcher.on('error', () => {
      watcher.close();
      onGone();
    });
    return { watcher, inode };
  } catch {
    return undefined;
  }
}

function inodeOf(directory: string): bigint | undefined {
  return statIfPossible(directory)?.ino;
}

/**
 * Undefined for whatever cannot be looked at, not only for what is not there: a directory that may not be entered, links in a
 * circle, a stale network mount. Whoever reads the file says what is wrong with it; the poll looks again.
 */
function statIfPossible(path: string): Fingerprinted | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
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
  const file = statIfPossible(path);
  return file && fingerprintOf(file);
}

async function fingerprint(path: string): Promise<{ readonly text: string; readonly changedMs: number } | undefined> {
  try {
    const file = await stat(path, { bigint: true });
    return { text: fingerprintOf(file), changedMs: Number(file.ctimeNs / 1_000_000n) };
  } catch {
    return undefined;
  }
}
