import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** Where and when figures were measured. A figure without this is worth little. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  readonly undici: string;
  /** Short hash; `+` when src/ or benchmarks/ had changes that were not committed. */
  readonly commit: string;
  readonly date: string;
  /** Runnable processes of the last minute, before the run began. */
  readonly loadBefore: number;
}

/** The machine as it is now. */
export function describeMachine(): Machine {
  const require = createRequire(import.meta.url);
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    undici: (require('undici/package.json') as { version: string }).version,
    commit: commit(),
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    loadBefore: loadavg()[0] ?? Number.NaN,
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const isChanged = git('status', '--porcelain', '--', '../src', '.') !== '';
    return `${git('rev-parse', '--short=10', 'HEAD')}${isChanged ? '+' : ''}`;
  } catch {
    return 'no repository';
  }
}
