import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { LiveSuite } from '../suite.ts';

/** A real Prometheus scrapes a port: the one on the path, else that of the Debian package, which is unpacked beside the clone. */
export const prometheusSuite: LiveSuite = {
  name: 'prometheus',
  files: ['prometheus/scrape.test.ts'],
  prepare(log) {
    return Promise.resolve(prometheusBinary(log));
  },
};

function prometheusBinary(log: (line: string) => void): Awaited<ReturnType<LiveSuite['prepare']>> {
  const found = spawnSync('sh', ['-c', 'command -v prometheus'], { encoding: 'utf8' }).stdout.trim();
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'meshfetch-live', 'prometheus');
  const path = found === '' ? join(folder, 'prometheus') : found;
  if (!existsSync(path)) {
    const failure = unpack(folder, log);
    if (failure !== undefined) return { skip: `there is no prometheus on the path, and ${failure}` };
  }
  return { environment: { MESHFETCH_LIVE_PROMETHEUS: path } };
}

/** Nothing is installed: apt checks the package, and one file of it is kept. */
function unpack(folder: string, log: (line: string) => void): string | undefined {
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'download-'));
  try {
    log(`downloading the package prometheus into ${folder} (once; about 20 MB)`);
    const download = spawnSync('apt-get', ['download', 'prometheus'], { cwd: work, encoding: 'utf8' });
    const [archive] = readdirSync(work);
    if (download.status !== 0 || archive === undefined)
      return `apt-get download prometheus failed: ${download.stderr?.trim() || String(download.error)}`;
    const extract = spawnSync('dpkg', ['-x', archive, 'root'], { cwd: work, encoding: 'utf8' });
    if (extract.status !== 0) return `dpkg -x failed: ${extract.stderr?.trim() || String(extract.error)}`;
    renameSync(join(work, 'root/usr/bin/prometheus'), join(folder, 'prometheus'));
    return undefined;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
