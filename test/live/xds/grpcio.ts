/** gRPC for Python, out of PyPI: pip installs it once into a folder outside the clone, by hash; nothing of the system is touched. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

const version = '1.85.1';

/** The wheels of `grpcio` for CPython on Linux and x86-64, by the version of Python. */
const wheels: Readonly<Record<string, string>> = {
  '3.11': '83aced2a1c05648cee0de34e531351118b14c58238f0a61b43559ac8851647a8',
  '3.12': 'a1a72d19c0ab84b4b73b6c47eeaade76d84b1973a51593ff1160a73df33d03d9',
  '3.13': 'de520b1555ae445cdc4f8f1cc7ccba12a19992bfafa7c292ebe7fe1fe5da6c53',
};
const dependency = 'typing_extensions==4.16.0 --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8';

/** A slow registry stays well below; it is 7 MB. */
const installTimeoutMs = 5 * 60_000;

/** The folder to put into PYTHONPATH, filled when it is missing, or why there is none. */
export async function grpcioFolder(log: (line: string) => void): Promise<{ readonly path: string } | { readonly skip: string }> {
  const found = spawnSync('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { encoding: 'utf8' });
  if (found.status !== 0) return { skip: 'there is no python3' };
  const python = found.stdout.trim();
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const path = join(cache, 'meshfetch-live', `grpcio-${version}-python-${python}`);
  if (existsSync(path)) return { path };
  const hash = wheels[python];
  if (hash === undefined || process.platform !== 'linux' || process.arch !== 'x64')
    return {
      skip: `grpcio ${version} is pinned for Python ${Object.keys(wheels).join(', ')} on Linux and x86-64, and this is Python ${python} on ${process.platform} and ${process.arch}`,
    };
  if (spawnSync('python3', ['-m', 'pip', '--version']).status !== 0)
    return { skip: `grpcio is not in ${path}, and there is no pip to install it; install python3-pip` };
  mkdirSync(dirname(path), { recursive: true });
  // Beside its last place, so that it can be moved there whole.
  const folder = mkdtempSync(join(dirname(path), 'install-'));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  try {
    log(`installing grpcio ${version} into ${path} (once; about 7 MB)`);
    const requirements = join(folder, 'requirements.txt');
    const installed = join(folder, 'installed');
    writeFileSync(requirements, `grpcio==${version} --hash=sha256:${hash}\n${dependency}\n`);
    const install = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
    const failure = await run([...install, '--require-hashes', '--target', installed, '-r', requirements]);
    if (failure !== undefined) return { skip: `grpcio ${version} could not be installed: ${failure}` };
    // Two runs may install at once; the first one is as good.
    if (!existsSync(path)) renameSync(installed, path);
    return { path };
  } finally {
    process.off('exit', removeFolder);
    removeFolder();
  }
}

/** Runs Python; returns the last line of what it complained about. */
async function run(args: readonly string[]): Promise<string | undefined> {
  const child = spawn('python3', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: installTimeoutMs });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return undefined;
  return complaint.trim().split('\n').at(-1) || `python3 ended with ${code === null ? 'a timeout' : `status ${code}`}`;
}
