import { fork, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../base/runtime.ts';
import { createCertificateAuthority, type CertificateAuthority } from '../../security/certificate-authority.ts';
import type { EndpointState } from './loss.ts';
import type { ServiceMessage, ServiceOptions } from './service.ts';

/** The processes of the demo, their certificates and their files, in a folder that is removed at the end. */
export interface Fleet {
  readonly directory: string;
  /** mesh.yaml of the driver, which calls the frontend. */
  readonly driverConfig: string;
  readonly instances: readonly Instance[];
  /** Writes the frontend's mesh.yaml with this share of the traffic for v2, as an editor does: a new file in place of the old. */
  setCanary(percent: number): Promise<void>;
  /** Gives a service a new certificate and key; resolves when they are written. */
  rotate(service: string): Promise<void>;
  /** What the meshes of the processes that still run know of their endpoints. */
  endpoints(): Promise<readonly EndpointState[]>;
  stop(): Promise<void>;
}

/** One process. */
export interface Instance {
  readonly name: string;
  readonly role: ServiceOptions['role'];
  readonly version: string;
  readonly port: number;
  readonly process: ChildProcess;
}

const trustDomain = 'example.org';
const dayMs = 86_400_000;

/** Starts everything and resolves when every process listens. `onEvent` hears what the meshes of the processes decide. */
export async function startFleet(
  onEvent: (instance: string, event: string, payload: Readonly<Record<string, unknown>>) => void,
): Promise<Fleet> {
  const directory = await mkdtemp(join(tmpdir(), 'meshfetch-demo-'));
  const file = (name: string): string => join(directory, name);
  const instances: Instance[] = [];
  // However the demo ends, no process and no private key stays behind.
  const cleanUp = (): void => {
    for (const { process: child } of instances) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', cleanUp);
  const now = systemClock.wallNow();
  const validity = { fromMs: now - 60_000, untilMs: now + dayMs };
  const authority = await createCertificateAuthority({ commonName: 'meshfetch demo CA' }, validity);
  await writeFile(file('ca.pem'), authority.certificate);
  for (const name of ['demo', 'frontend', 'orders', 'inventory']) await issue(authority, name, file, validity);

  const plan = [
    ['inventory-1', 'inventory', 'v1'],
    ['inventory-2', 'inventory', 'v1'],
    ['orders-1', 'orders', 'v1'],
    ['orders-2', 'orders', 'v1'],
    ['orders-3', 'orders', 'v2'],
    ['frontend', 'frontend', 'v1'],
  ] as const;
  const ports = await freePorts(plan.length);
  const addressOf = (name: string): string => `127.0.0.1:${ports[plan.findIndex(([other]) => other === name)]}`;
  const identity = (name: string): string =>
    `identity: { certificate: ${name}.pem, privateKey: ${name}.key, trustBundle: ca.pem }\n`;
  const tls = (name: string): string => `tls: { mode: mutual, peers: ["spiffe://${trustDomain}/${name}"] }`;

  await writeFile(
    file('demo.yaml'),
    `services:\n  frontend:\n    endpoints: [${addressOf('frontend')}]\n    ${tls('frontend')}\n    timeoutMs: 5000\n${identity('demo')}`,
  );
  await writeFile(
    file('orders.yaml'),
    `services:\n  inventory:\n    endpoints: [${addressOf('inventory-1')}, ${addressOf('inventory-2')}]\n    ${tls('inventory')}\n    timeoutMs: 2000\n    retry: { maxAttempts: 3, on: [connect-failure, reset, gateway-error], perTryTimeoutMs: 150 }\n    outlierDetection: { consecutive5xx: 3, baseEjectionMs: 30000 }\n${identity('orders')}`,
  );
  const setCanary = async (percent: number): Promise<void> => {
    const endpoints = ['orders-1', 'orders-2', 'orders-3']
      .map((name) => `      - { address: ${addressOf(name)}, metadata: { version: ${name === 'orders-3' ? 'v2' : 'v1'} } }\n`)
      .join('');
    await writeFile(
      file('frontend.yaml.new'),
      `services:\n  orders:\n    endpoints:\n${endpoints}    subsets: { v1: { version: v1 }, v2: { version: v2 } }\n    ${tls('orders')}\n    timeoutMs: 3000\n    retry: { maxAttempts: 3, on: [connect-failure, reset, gateway-error] }\n    outlierDetection: { consecutive5xx: 5, baseEjectionMs: 30000 }\n    routes:\n      - to: [{ subset: v1, weight: ${100 - percent} }, { subset: v2, weight: ${percent} }]\n${identity('frontend')}`,
    );
    await rename(file('frontend.yaml.new'), file('frontend.yaml'));
  };
  await setCanary(10);

  const ready: Promise<void>[] = [];
  for (const [index, [name, role, version]] of plan.entries()) {
    const options: ServiceOptions = {
      role,
      name,
      version,
      port: ports[index]!,
      certificate: file(`${role}.pem`),
      privateKey: file(`${role}.key`),
      trustBundle: file('ca.pem'),
      ...(role === 'inventory' ? {} : { config: file(`${role}.yaml`) }),
    };
    const child = fork(
      fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './service.ts' : './service.js', import.meta.url)),
      [JSON.stringify(options)],
      { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
    );
    instances.push({ name, role, version, port: options.port, process: child });
    ready.push(
      new Promise((resolve, reject) => {
        let errors = '';
        child.stderr?.on('data', (chunk: Buffer) => {
          errors += chunk.toString();
        });
        child.on('message', (message: ServiceMessage) => {
          if (message.kind === 'ready') resolve();
          else if (message.kind === 'event') onEvent(name, message.event, message.payload);
        });
        child.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it was ready: ${errors}`)));
      }),
    );
  }

  const stop = async (): Promise<void> => {
    process.off('exit', cleanUp);
    for (const { process: child } of instances) child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(ready);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    directory,
    driverConfig: file('demo.yaml'),
    instances,
    setCanary,
    rotate: (name) => issue(authority, name, file, validity),
    endpoints: async () => (await Promise.all(instances.map(endpointsOf))).flat(),
    stop,
  };
}

/** What the mesh of a process knows; nothing of one that is gone or goes. */
function endpointsOf({ process: child }: Instance): Promise<readonly EndpointState[]> {
  return new Promise((resolve) => {
    if (!child.connected) return resolve([]);
    child.once('exit', () => resolve([]));
    child.on('message', (message: ServiceMessage) => {
      if (message.kind === 'endpoints') resolve(message.endpoints);
    });
    child.send({ asksEndpoints: true }, (error) => {
      if (error !== null) resolve([]);
    });
  });
}

async function issue(
  authority: CertificateAuthority,
  name: string,
  file: (name: string) => string,
  validity: { fromMs: number; untilMs: number },
): Promise<void> {
  const issued = await authority.issue({ uris: [`spiffe://${trustDomain}/${name}`], dnsNames: [name] }, validity);
  // Each file is replaced as a whole; between the two the pair does not fit, and the old one stays in force.
  for (const [suffix, text] of [
    ['key', issued.privateKey.reveal()],
    ['pem', issued.certificateChain],
  ] as const) {
    await writeFile(file(`${name}.${suffix}.new`), text, { mode: suffix === 'key' ? 0o600 : 0o644 });
    await rename(file(`${name}.${suffix}.new`), file(`${name}.${suffix}`));
  }
}

/** Ports that are free now; taken all at once, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
