import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';

import { systemClock, type Clock } from '../../../src/base/runtime.ts';
import { watchFiles } from '../../../src/base/watch-file.ts';

/** Runs the slow poll at once when asked; the short settling time stays real. */
function pollingClock(): Clock & { poll(): void } {
  let polls: (() => void)[] = [];
  return {
    ...systemClock,
    setTimer(callback, delayMs) {
      if (delayMs < 1000) return systemClock.setTimer(callback, delayMs);
      polls.push(callback);
      return { cancel: () => void (polls = polls.filter((poll) => poll !== callback)) };
    },
    poll() {
      const due = polls;
      polls = [];
      for (const callback of due) callback();
    },
  };
}

interface Watched {
  readonly next: () => Promise<string[]>;
  readonly reports: string[][];
}

describe('watched files', () => {
  let root: string;
  let directory: string;
  const stops: (() => void)[] = [];
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'meshfetch-watch-'));
  });
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
  });
  after(() => rm(root, { recursive: true }));

  /** Watches; `next()` resolves to the paths of the next report that nobody has taken yet. */
  async function watch(files: readonly string[], clock: Clock = systemClock): Promise<Watched> {
    const reports: string[][] = [];
    let taken = 0;
    let wake: (() => void) | undefined;
    stops.push(
      watchFiles(
        files.map((file) => join(directory, file)),
        (changed) => {
          reports.push(changed.map((path) => path.slice(directory.length + 1)));
          wake?.();
        },
        clock,
      ),
    );
    return {
      reports,
      async next() {
        while (reports.length <= taken) await new Promise<void>((resolve) => (wake = resolve));
        taken += 1;
        return reports[taken - 1]!;
      },
    };
  }

  async function start(files: Record<string, string>): Promise<void> {
    directory = await mkdtemp(join(root, 'case-'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  }

  it('are reported when they are written', async () => {
    await start({ a: '1', b: '1' });
    const { next } = await watch(['a', 'b']);
    await writeFile(join(directory, 'a'), '2');
    assert.deepEqual(await next(), ['a']);
  });

  it('are reported when another file is renamed over them, again and again', async () => {
    await start({ a: '1' });
    const { next } = await watch(['a']);
    for (let round = 0; round < 3; round += 1) {
      await writeFile(join(directory, 'a.new'), `${round}`);
      await rename(join(directory, 'a.new'), join(directory, 'a'));
      assert.deepEqual(await next(), ['a'], `round ${round}`);
    }
  });

  it('are reported when a link to their directory is swapped, as Kubernetes does', async () => {
    await start({});
    for (const version of ['v1', 'v2']) {
      await mkdir(join(directory, version));
      await writeFile(join(directory, version, 'tls.crt'), version);
      await writeFile(join(directory, version, 'tls.key'), version);
    }
    await symlink('v1', join(directory, '..data'));
    await symlink(join('..data', 'tls.crt'), join(directory, 'tls.crt'));
    await symlink(join('..data', 'tls.key'), join(directory, 'tls.key'));
    const { next } = await watch(['tls.crt', 'tls.key']);
    await symlink('v2', join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    assert.deepEqual(await next(), ['tls.crt', 'tls.key']);
  });

  it('are reported when they go and when they come', async () => {
    await start({ a: '1' });
    const { next } = await watch(['a']);
    await unlink(join(directory, 'a'));
    assert.deepEqual(await next(), ['a']);
    await writeFile(join(directory, 'a'), '2');
    assert.deepEqual(await next(), ['a']);
  });

  it('are reported once for a burst of writes', async () => {
    await start({ a: '1', b: '1' });
    const { next, reports } = await watch(['a', 'b']);
    await Promise.all([writeFile(join(directory, 'a'), '2'), writeFile(join(directory, 'b'), '2')]);
    assert.deepEqual(await next(), ['a', 'b']);
    assert.equal(reports.length, 1);
  });

  it('are not reported for a neighbour', async () => {
    await start({ a: '1' });
    const { next, reports } = await watch(['a']);
    await writeFile(join(directory, 'neighbour'), '1');
    await writeFile(join(directory, 'a'), '2');
    await next();
    assert.deepEqual(reports, [['a']]);
  });

  it('are found by the poll when no event tells of them', async () => {
    await start({});
    const clock = pollingClock();
    const { next } = await watch(['later/a'], clock); // the directory does not exist and cannot be watched
    await mkdir(join(directory, 'later'));
    await writeFile(join(directory, 'later', 'a'), '1');
    clock.poll();
    assert.deepEqual(await next(), ['later/a']);
    await writeFile(join(directory, 'later', 'a'), '22'); // watched since the poll
    assert.deepEqual(await next(), ['later/a']);
  });

  it('are found again after their directory could not be looked at, which harms nobody', async () => {
    await start({});
    // Links in a circle fail as a directory without permission or a stale mount does: by an error that is not "not there".
    await symlink('conf', join(directory, 'conf'));
    const clock = pollingClock();
    const { next } = await watch(['conf/a'], clock);
    await unlink(join(directory, 'conf'));
    await mkdir(join(directory, 'conf'));
    await writeFile(join(directory, 'conf', 'a'), '1');
    clock.poll();
    assert.deepEqual(await next(), ['conf/a']);
    await rename(join(directory, 'conf'), join(directory, 'old'));
    await symlink('conf', join(directory, 'conf'));
    clock.poll(); // throws where it may not
    assert.deepEqual(await next(), ['conf/a']);
  });
});
