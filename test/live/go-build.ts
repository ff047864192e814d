import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/** A Go program that is built once and kept outside the clone. */
export interface GoProgram {
  /** Name of the folder in the cache, with the version: `consul-1.22.7`. */
  readonly name: string;
  /** Name of the binary. */
  readonly binary: string;
  /** Folder of the go.mod and go.sum that pin everything. */
  readonly recipe: string;
  readonly package: string;
  /** What a cold build takes, said before it starts. */
  readonly takes: string;
}

/** Longest build; a slow machine with cold caches stays well below. */
const buildTimeoutMs = 40 * 60_000;
const progressIntervalMs = 15_000;

/** The path of the built binary, or why there is none. */
export async function goBinary(
  program: GoProgram,
  log: (line: string) => void,
): Promise<{ readonly path: string } | { readonly skip: string }> {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const path = join(cache, 'meshfetch-live', program.name, program.binary);
  if (existsSync(path)) return { path };
  const go = spawnSync('go', ['version'], { encoding: 'utf8' });
  if (go.status !== 0)
    return { skip: `${program.name} is not in ${dirname(path)}, and there is no Go to build it with; install Go 1.26 or later` };
  log(`building ${program.name} with ${go.stdout.trim()} into ${dirname(path)} (once; ${program.takes})`);
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.partial`;
  const failure = await build(program, partial, log);
  if (failure !== undefined) return { skip: `${program.name} could not be built: ${failure}` };
  // Two runs may build at once; each puts a whole file in place.
  renameSync(partial, path);
  return { path };
}

async function build(program: GoProgram, output: string, log: (line: string) => void): Promise<string | undefined> {
  const startedMs = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedMs) / 1000);
  const child = spawn('go', ['build', '-v', '-trimpath', '-ldflags=-s -w', '-o', output, program.package], {
    cwd: program.recipe,
    env: { ...process.env, GOFLAGS: `${process.env['GOFLAGS'] ?? ''} -p=2`.trim(), GOWORK: 'off' },
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own, so that the compilers end with it.
    detached: true,
  });
  const timeout = AbortSignal.timeout(buildTimeoutMs);
  const stop = (): void => void process.kill(-child.pid!, 'SIGKILL');
  timeout.addEventListener('abort', stop);
  process.once('exit', stop);
  let packages = 0;
  let lastMs = performance.now();
  let lastLine = '';
  const lines = createInterface({ input: child.stderr });
  lines.on('line', (line) => {
    packages++;
    lastLine = line;
    if (performance.now() - lastMs < progressIntervalMs) return;
    lastMs = performance.now();
    log(`${packages} packages after ${seconds()} s`);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  timeout.removeEventListener('abort', stop);
  process.off('exit', stop);
  if (code === 0) {
    log(`built in ${seconds()} s`);
    return undefined;
  }
  return timeout.aborted ? `not done after ${buildTimeoutMs / 60_000} minutes` : lastLine || `go build ended with status ${code}`;
}
