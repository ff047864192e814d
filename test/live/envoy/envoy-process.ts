import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

/** An Envoy that runs. */
export interface EnvoyProcess {
  readonly adminPort: number;
  /** Port of each listener by its name. */
  readonly ports: ReadonlyMap<string, number>;
  /** What the admin interface answers to a GET. */
  admin(path: string): Promise<string>;
  stop(): Promise<void>;
}

/** Longest start; a configuration of hundreds of clusters takes a second. */
const startTimeoutMs = 30_000;

/**
 * Starts Envoy with these `static_resources` on loopback; listeners get ports of their own choice. `onAccessLog` hears each line
 * that an access log on stdout writes; `bootstrap` is what its configuration has beside that. Rejects with what Envoy says of a
 * configuration it refuses.
 */
export async function startEnvoy(
  binary: string,
  staticResources: object,
  onAccessLog: (line: string) => void = () => {},
  bootstrap: object = {},
): Promise<EnvoyProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'meshfetch-envoy-'));
  const configuration = join(folder, 'envoy.json');
  const adminAddress = join(folder, 'admin');
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
  await writeFile(
    configuration,
    JSON.stringify({ node: { id: 'test', cluster: 'test' }, admin, static_resources: staticResources, ...bootstrap }),
  );
  const files = ['-c', configuration, '--admin-address-path', adminAddress];
  const quick = ['--concurrency', '1', '--disable-hot-restart', '-l', 'warning', '--file-flush-interval-msec', '20'];
  const child = spawn(binary, [...files, ...quick], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('exit', resolve);
  });
  // Envoy must not outlive a test that is broken off.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint = (complaint + chunk).slice(-4000)));
  createInterface({ input: child.stdout }).on('line', onAccessLog);
  const stop = async (): Promise<void> => {
    kill();
    await ended;
    process.off('exit', kill);
    await rm(folder, { recursive: true, force: true });
  };
  let isEnded = false;
  void ended.then(() => (isEnded = true));
  const endMs = performance.now() + startTimeoutMs;
  try {
    for (;;) {
      if (isEnded || performance.now() > endMs) throw new Error(`Envoy did not start: ${complaint.trim() || 'it said nothing'}`);
      const adminPort = Number((await readFile(adminAddress, 'utf8').catch(() => '')).split(':')[1]);
      if (adminPort > 0 && (await ask(adminPort, '/ready').catch(() => '')).startsWith('LIVE')) {
        const { listener_statuses: listeners } = JSON.parse(await ask(adminPort, '/listeners?format=json')) as ListenerList;
        const ports = new Map(listeners.map((one) => [one.name, one.local_address.socket_address.port_value]));
        return { adminPort, ports, admin: (path) => ask(adminPort, path), stop };
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

interface ListenerList {
  readonly listener_statuses: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

function ask(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, agent: false }, (response) => void text(response).then(resolve, reject))
      .on('error', reject)
      .end();
  });
}
