import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock, type Clock } from '../../../src/base/runtime.ts';
import { watchFiles } from '../../../src/base/watch-file.ts';

describe('watching files', { timeout: 30_000 }, () => {
  let directory: string;
  let unwatch: () => void;
  let reports: string[][];
  let onReport: () => void;
  const path = (name: string): string => join(directory, name);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'meshfetch-'));
    unwatch = () => {};
    reports = [];
    onReport = () => {};
  });
  afterEach(async () => {
    unwatch();
    await rm(directory, { recursive: true });
  });

  function watch(names: readonly string[], clock: Clock = systemClock): void {
    unwatch = watchFiles(
      names.map(path),
      (changed) => {
        reports.push([...changed]);
        onReport();
      },
      clock,
    );
  }

  /** Resolves when the file was reported `times` times. */
  function reported(name: string, times = 1): Promise<void> {
    return new Promise((resolve) => {
      onReport = () => {
        if (reports.filter((report) => report.includes(path(name))).length >= times) resolve();
      };
      onReport();
    });
  }

  /**
   * The system's clock, but the poll comes when the test says so, and no write is so fresh that it is reported twice. `settled`
   * resolves when no event is waiting to be looked at.
   */
  function pollByHand(): { readonly clock: Clock; readonly poll: () => void; readonly settled: () => Promise<void> } {
    let due: () => void = () => {};
    let waiting = 0;
    let onSettled: () => void = () => {};
    const clock: Clock = {
      ...systemClock,
      wallNow: () => systemClock.wallNow() + 3_600_000,
      setTimer(callback, delayMs) {
        if (delayMs < 1000) {
          waiting += 1;
          return systemClock.setTimer(() => {
            callback();
            waiting -= 1;
            if (waiting === 0) onSettled();
          }, delayMs);
        }
        due = callback;
        return { cancel: () => {} };
      },
    };
    const settled = (): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (waiting === 0) resolve();
      else onSettled = resolve;
      return promise;
    };
    return { clock, poll: () => due(), settled };
  }

  it('names the file that changed, and not its neighbour', async () => {
    await writeFile(path('a'), '1');
    await writeFile(path('b'), '1');
    watch(['a', 'b']);
    await writeFile(path('a'), '2');
    await reported('a');
    assert.deepEqual(new Set(reports.flat()), new Set([path('a')]));
  });

  it('says nothing of an event for a file that is not watched', async () => {
    await writeFile(path('a'), '1');
    watch(['a']);
    await writeFile(path('other'), '1');
    await writeFile(path('a'), '2');
    await reported('a');
    assert.deepEqual(new Set(reports.flat()), new Set([path('a')]));
  });

  it('sees a file come and go', async () => {
    watch(['a']);
    await writeFile(path('a'), '1');
    await reported('a');
    const before = reports.length;
    await rm(path('a'));
    await reported('a', before + 1);
  });

  it('sees a change behind a link to another directory, by an event', async () => {
    await mkdir(path('shared'));
    await mkdir(path('app'));
    await writeFile(path('shared/a'), '1');
    await symlink('../shared/a', path('app/a'));
    watch(['app/a'], pollByHand().clock);
    await writeFile(path('shared/new'), '2');
    await rename(path('shared/new'), path('shared/a'));
    await reported('app/a');
  });

  it('finds by its poll what no event told of: a directory that did not exist', async () => {
    const { clock, poll } = pollByHand();
    watch(['late/a'], clock);
    await mkdir(path('late'));
    await writeFile(path('late/a'), '1');
    poll();
    await reported('late/a');
  });

  it('watches a directory that was replaced from the next poll on', async () => {
    const { clock, poll, settled } = pollByHand();
    await mkdir(path('conf'));
    await writeFile(path('conf/a'), '1');
    watch(['conf/a'], clock);
    await rename(path('conf'), path('conf.old'));
    await mkdir(path('conf'));
    await writeFile(path('conf/a'), '2');
    poll();
    await reported('conf/a');
    await settled();
    const before = reports.length;
    await writeFile(path('conf/a'), '3');
    await reported('conf/a', before + 1);
  });

  it('reports nothing after it was stopped', async () => {
    await writeFile(path('a'), '1');
    watch(['a']);
    unwatch();
    await writeFile(path('a'), '2');
    // Another watch of the same file sees the change; the stopped one did not.
    const seen = Promise.withResolvers<void>();
    const second = watchFiles([path('a')], () => seen.resolve(), systemClock);
    await writeFile(path('a'), '3');
    await seen.promise;
    second();
    assert.deepEqual(reports, []);
  });
});
