import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

/** A real Consul agent on loopback. */
export interface ConsulAgent extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly address: string;
  readonly ports: AgentPorts;
  /** What it logged, at level debug: every request is in it. */
  readonly log: readonly string[];
  /** Calls the HTTP API; throws when the answer is not 200. */
  call(method: 'GET' | 'PUT', path: string, body?: unknown): Promise<unknown>;
  register(service: Registration): Promise<void>;
  deregister(id: string): Promise<void>;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
}

/** The body of `/v1/agent/service/register`, as far as the tests use it. */
export interface Registration {
  readonly ID: string;
  readonly Name: string;
  readonly Port: number;
  readonly Address?: string;
  readonly Tags?: readonly string[];
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Weights?: { readonly Passing: number; readonly Warning: number };
  readonly Locality?: { readonly Region: string; readonly Zone: string };
  readonly Check?: Readonly<Record<string, unknown>>;
}

export interface AgentPorts {
  readonly http: number;
  readonly server: number;
  readonly serf: number;
}

interface AgentOptions {
  /** For a second start in the place of the first. */
  readonly ports?: AgentPorts;
  /** Keep the catalog here; absent = in memory (`-dev`). */
  readonly dataFolder?: string;
  /** ACLs on, denying by default, with this token allowed everything. */
  readonly managementToken?: string;
}

/** Starts an agent that is its own server, and waits until it has a leader and has registered itself. */
export async function startAgent({ ports, dataFolder, managementToken }: AgentOptions = {}): Promise<ConsulAgent> {
  const used = ports ?? (await freePorts());
  const binary = process.env['MESHFETCH_LIVE_CONSUL'];
  if (binary === undefined) throw new Error('MESHFETCH_LIVE_CONSUL is not set; run this by `npm run live -- consul`');
  const child = spawn(binary, ['agent', ...agentArguments(used, dataFolder, managementToken)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const dieWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', dieWithUs);
  const log: string[] = [];
  await ready(child, log);
  const address = `http://127.0.0.1:${used.http}`;

  async function call(method: 'GET' | 'PUT', path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(address + path, {
      method,
      headers: managementToken === undefined ? {} : { 'x-consul-token': managementToken },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }

  async function kill(): Promise<void> {
    process.off('exit', dieWithUs);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  return {
    address,
    ports: used,
    log,
    call,
    kill,
    register: async (service) => void (await call('PUT', '/v1/agent/service/register', service)),
    deregister: async (id) => void (await call('PUT', `/v1/agent/service/deregister/${id}`)),
    [Symbol.asyncDispose]: kill,
  };
}

function agentArguments(ports: AgentPorts, dataFolder: string | undefined, managementToken: string | undefined): string[] {
  const settings: string[] = [
    'disable_update_check = true',
    'ui_config { enabled = false }',
    // One server elects itself at once instead of waiting for others.
    'performance { raft_multiplier = 1 }',
    `ports { http = ${ports.http} https = -1 grpc = -1 grpc_tls = -1 dns = -1 serf_lan = ${ports.serf} serf_wan = -1 server = ${ports.server} }`,
  ];
  if (managementToken !== undefined) {
    settings.push(
      `acl { enabled = true default_policy = "deny" tokens { initial_management = "${managementToken}" agent = "${managementToken}" } }`,
    );
  }
  return [
    ...(dataFolder === undefined ? ['-dev'] : ['-server', '-bootstrap-expect=1', `-data-dir=${dataFolder}`]),
    '-bind=127.0.0.1',
    '-client=127.0.0.1',
    '-node=n1',
    '-datacenter=dc1',
    '-log-level=debug',
    '-disable-host-node-id',
    ...settings.flatMap((setting) => ['-hcl', setting]),
  ];
}

/** The agent says "Synced node info" when it has a leader and its own entry is in the catalog. */
async function ready(child: ChildProcess, log: string[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      log.push(line);
      if (line.includes('Synced node info') || line.includes('Node info in sync')) resolve();
    });
  }
  child.once('error', reject);
  child.once('exit', (code) =>
    reject(new Error(`consul ended with status ${code} before it was ready:\n${log.slice(-20).join('\n')}`)),
  );
  await promise;
}

/** Ports that were free a moment ago. Serf uses UDP too, which nobody else here does. */
async function freePorts(): Promise<AgentPorts> {
  const servers = [createServer(), createServer(), createServer()];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const [http, server, serf] = servers.map((listening) => (listening.address() as AddressInfo).port) as [number, number, number];
  for (const listening of servers) listening.close();
  return { http, server, serf };
}
