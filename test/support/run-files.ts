/**
 * Runs test files, and those that fail once more, alone. A machine that does something else for a second breaks a test that is about
 * time now and then; a defect breaks it twice. What passed only alone does not fail the run, and is named at its end: it is to be mended.
 */
import { relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/** What became of the tests of a run. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Files that failed, and passed alone. */
  readonly unsteady: string[];
}

/** How files are run. */
export interface RunFilesOptions {
  readonly files?: readonly string[];
  readonly globPatterns?: readonly string[];
  readonly concurrency: number;
  readonly execArgv: readonly string[];
  /** Of one test. Default none. */
  readonly timeoutMs?: number;
}

/** More files than this fail for a reason of their own. */
const mostFilesAgain = 3;

/** Runs the files and prints what they say; those that fail are run again. */
export async function runFiles(options: RunFilesOptions): Promise<Counts> {
  const { counts, failedFiles } = await runOnce(options);
  if (failedFiles.length === 0 || failedFiles.length > mostFilesAgain) return counts;
  console.log(`\nonce more, alone: ${failedFiles.map((file) => relative('.', file)).join(', ')}`);
  for (const file of failedFiles) {
    const again = await runOnce({ ...options, files: [file], globPatterns: [], concurrency: 1 });
    if (again.counts.failed > 0 || again.counts.passed === 0) return counts;
    counts.unsteady.push(relative('.', file));
  }
  counts.passed += counts.failed;
  counts.failed = 0;
  return counts;
}

/** Says which files were unsteady. */
export function reportUnsteady(files: readonly string[]): void {
  for (const file of files) console.log(`unsteady: ${file} failed, and passed when it ran alone; mend it`);
}

async function runOnce(options: RunFilesOptions): Promise<{ readonly counts: Counts; readonly failedFiles: readonly string[] }> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0, unsteady: [] };
  const failedFiles = new Set<string>();
  const stream = run({
    ...(options.files === undefined ? {} : { files: options.files }),
    ...(options.globPatterns === undefined || options.globPatterns.length === 0 ? {} : { globPatterns: options.globPatterns }),
    concurrency: options.concurrency,
    execArgv: options.execArgv,
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
  });
  stream.on('test:fail', ({ file }) => {
    if (file !== undefined) failedFiles.add(file);
  });
  stream.on('test:summary', ({ file, counts: { tests, passed, skipped, todo } }) => {
    if (file !== undefined) return;
    counts.passed = passed;
    counts.skipped = skipped + todo;
    // Cancelled ones and files that do not load are failures too.
    counts.failed = tests - passed - counts.skipped;
  });
  for await (const chunk of stream.compose(new spec())) process.stdout.write(chunk as string);
  return { counts, failedFiles: [...failedFiles] };
}
