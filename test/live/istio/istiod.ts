import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { createPluggedAuthority, writePluggedAuthority, type PluggedAuthority } from './certificates.ts';
import { startEmptyKubernetesApi } from './empty-kubernetes-api.ts';
import { startTokenIssuer } from './issuer.ts';

/** A document of Istio's configuration. */
export interface IstioDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: object;
}

/** A real istiod on loopback, with the CA of a test, tokens of a test and configuration out of a folder. */
export interface Istiod extends AsyncDisposable {
  /** `127.0.0.1:port`: ADS and the CA, with TLS. */
  readonly address: string;
  /** Port of its debug interface. */
  readonly httpPort: number;
  readonly authority: PluggedAuthority;
  /** What it logged. */
  readonly log: readonly string[];
  token(namespace: string, serviceAccount: string, audience?: string): string;
  /** What a container finds at `/`: token, root certificate, labels. */
  podFolder(pod: PodFiles): Promise<string>;
  /** Writes a file of configuration; istiod sees it at once. */
  configure(name: string, documents: readonly IstioDocument[]): Promise<void>;
  /** Ends it and starts it again at the same address, with another CA where one is given. */
  restart(authority?: PluggedAuthority): Promise<void>;
  /** Ends it; `restart` brings it back. */
  stop(): Promise<void>;
}

/** The files of a pod. */
export interface PodFiles {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly audience?: string;
}

interface IstiodOptions {
  readonly documents?: readonly IstioDocument[];
  /** Of MeshConfig. */
  readonly meshConfig?: object;
  /** Environment variables, which are its feature flags. */
  readonly environment?: Readonly<Record<string, string>>;
}

const startTimeoutMs = 60_000;

/** Starts istiod and waits until it is ready. */
export async function startIstiod(options: IstiodOptions = {}): Promise<Istiod> {
  const binary = process.env['MESHFETCH_LIVE_ISTIOD'];
  if (binary === undefined) throw new Error('MESHFETCH_LIVE_ISTIOD is not set; run this by `npm run live -- istio`');
  const folder = await mkdtemp(join(tmpdir(), 'meshfetch-istiod-'));
  const configFolder = join(folder, 'config');
  await mkdir(configFolder);
  const [kubernetes, issuer] = [await startEmptyKubernetesApi(), await startTokenIssuer()];
  const [grpcPort, httpPort, monitoringPort] = await freePorts(3);
  await writeFile(join(folder, 'kubeconfig'), kubernetes.kubeconfig);
  await writeFile(
    join(folder, 'mesh.yaml'),
    stringify({
      defaultConfig: { discoveryAddress: `127.0.0.1:${grpcPort}` },
      configSources: [{ address: `fs://${configFolder}` }],
      trustDomain: 'cluster.local',
      rootNamespace: 'istio-system',
      ...options.meshConfig,
    }),
  );
  await writeFile(join(folder, 'networks.yaml'), 'networks: {}\n');
  const log: string[] = [];
  let authority = await createPluggedAuthority('first');
  let child: ChildProcess | undefined;

  const configure = async (name: string, documents: readonly IstioDocument[]): Promise<void> => {
    const text = documents.map((document) => stringify(document)).join('---\n');
    // In one step, so that no half of it is read; a dot file is not looked at.
    const partial = join(folder, `${name}.partial`);
    await writeFile(partial, text);
    await rename(partial, join(configFolder, `${name}.yaml`));
  };

  async function start(): Promise<void> {
    await writePluggedAuthority(join(folder, 'cacerts'), authority);
    child = spawn(
      binary!,
      [
        'discovery',
        '--registries=Kubernetes',
        `--kubeconfig=${join(folder, 'kubeconfig')}`,
        `--meshConfig=${join(folder, 'mesh.yaml')}`,
        `--networksConfig=${join(folder, 'networks.yaml')}`,
        '--grpcAddr=',
        `--secureGRPCAddr=127.0.0.1:${grpcPort}`,
        `--httpAddr=127.0.0.1:${httpPort}`,
        '--httpsAddr=',
        `--monitoringAddr=127.0.0.1:${monitoringPort}`,
        '--ctrlz_port=0',
        '--domain=cluster.local',
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: folder,
        env: {
          PATH: process.env['PATH'],
          HOME: folder,
          PILOT_CERT_PROVIDER: 'istiod',
          ROOT_CA_DIR: join(folder, 'cacerts'),
          POD_NAMESPACE: 'istio-system',
          POD_NAME: 'istiod-0',
          JWT_RULE: JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks`, audiences: ['istio-ca'] }),
          // Half of each core's work for one test client.
          GOMAXPROCS: '2',
          ...options.environment,
        },
      },
    );
    process.once('exit', dieWithUs);
    await ready(child, httpPort!, log);
  }
  const dieWithUs = (): void => void child?.kill('SIGKILL');
  async function stop(): Promise<void> {
    process.off('exit', dieWithUs);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  await configure('services', options.documents ?? []);
  await start();
  return {
    address: `127.0.0.1:${grpcPort}`,
    httpPort: httpPort!,
    get authority() {
      return authority;
    },
    log,
    token: (...of) => issuer.token(...of),
    async podFolder({ namespace, serviceAccount, labels = {}, audience }) {
      const pod = await mkdtemp(join(folder, 'pod-'));
      const files = {
        'var/run/secrets/istio/root-cert.pem': authority.root.certificate,
        'var/run/secrets/tokens/istio-token': issuer.token(namespace, serviceAccount, audience),
        'etc/istio/pod/labels': Object.entries(labels)
          .map(([name, value]) => `${name}=${JSON.stringify(value)}\n`)
          .join(''),
      };
      for (const [path, text] of Object.entries(files)) {
        await mkdir(join(pod, path, '..'), { recursive: true });
        await writeFile(join(pod, path), text);
      }
      return pod;
    },
    configure,
    stop,
    async restart(next) {
      await stop();
      if (next !== undefined) authority = next;
      await start();
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await Promise.all([kubernetes.close(), issuer.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Its readiness probe answers when the configuration has been read and the CA is up. */
async function ready(child: ChildProcess, port: number, log: string[]): Promise<void> {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', (line) => log.push(line));
  }
  const endMs = performance.now() + startTimeoutMs;
  for (;;) {
    if (child.exitCode !== null || performance.now() > endMs)
      throw new Error(`istiod did not become ready:\n${log.slice(-30).join('\n')}`);
    const isReady = await fetch(`http://127.0.0.1:${port}/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}
