/** A client of the benchmark `xds`, a process of its own: a mesh, or gRPC's own client for xDS. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { serveParent } from '../child-process.ts';
import { serviceName } from './service-name.ts';

/** Which client, and how it asks the control plane. */
export type ClientKind = 'meshfetch, sidecar' | 'meshfetch, by name' | 'grpc-js-xds';

/** What it is told. */
export type ClientOrder =
  | { readonly do: 'connect'; readonly kind: ClientKind; readonly address: string; readonly called: number }
  /** Requests at a steady rate while something else happens; ends with the next order. */
  | { readonly do: 'begin'; readonly ratePerSecond: number }
  | { readonly do: 'end' };

/** What it measured since the last order. */
export interface ClientAnswer {
  readonly cpuMs: number;
  readonly wallMs: number;
  /** After a collection. */
  readonly heapMb: number;
  /** Bytes outside of the heap that belong to it. */
  readonly externalMb: number;
  readonly rssMb: number;
  readonly requests: number;
  readonly failures: number;
  readonly firstFailure?: string;
  readonly longestTurnMs: number;
}

type Call = (service: number) => Promise<void>;

async function meshCalls(kind: ClientKind, address: string): Promise<Call> {
  const { createMesh } = await import('../../src/index.ts');
  const { xdsControlPlane } = await import('../../src/control-plane/xds/index.ts');
  const controlPlane = xdsControlPlane({
    servers: address,
    ...(kind === 'meshfetch, sidecar' && { node: { id: 'sidecar~10.0.0.1~client-1.bench~bench.svc.cluster.local' } }),
  });
  const mesh = await createMesh({ controlPlane, unknownHosts: 'refuse', configTimeoutMs: 60_000 });
  return async (service) => {
    const response = await mesh.fetch(`http://${serviceName(service)}/`);
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`status ${response.status}`);
  };
}

async function grpcCalls(address: string): Promise<Call> {
  const server = { server_uri: address, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] };
  const node = { id: 'client-1', locality: { region: 'eu', zone: 'eu-1', sub_zone: '' } };
  process.env['GRPC_XDS_BOOTSTRAP_CONFIG'] = JSON.stringify({ xds_servers: [server], node });
  const grpc = await import('@grpc/grpc-js');
  (await import('@grpc/grpc-js-xds')).register();
  const clients = new Map<number, InstanceType<typeof grpc.Client>>();
  const same = (bytes: Buffer): Buffer => bytes;
  return (service) =>
    new Promise((resolve, reject) => {
      let client = clients.get(service);
      if (client === undefined) {
        client = new grpc.Client(`xds:///${serviceName(service)}:80`, grpc.credentials.createInsecure());
        clients.set(service, client);
      }
      const options = { deadline: Date.now() + 60_000 };
      client.makeUnaryRequest('/bench.Bench/Get', same, same, Buffer.from('x'), options, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
}

let call: Call | undefined;
let called = 0;
let requests = 0;
let failures = 0;
let firstFailure: string | undefined;
let cpu = process.cpuUsage();
let startedMs = performance.now();
let timer: NodeJS.Timeout | undefined;
/** Wakes each millisecond and notes how late that was. */
const delay = monitorEventLoopDelay({ resolution: 1 });

function restart(): void {
  requests = 0;
  failures = 0;
  firstFailure = undefined;
  delay.reset();
  cpu = process.cpuUsage();
  startedMs = performance.now();
}

async function request(service: number): Promise<void> {
  requests++;
  try {
    await call!(service);
  } catch (error) {
    failures++;
    firstFailure ??=
      error instanceof Error ? `${error.message}: ${(error.cause as Error | undefined)?.message ?? ''}` : String(error);
  }
}

/** NaN where the process has no file left to look it up with. */
function residentMb(): number {
  try {
    return process.memoryUsage.rss() / 1e6;
  } catch {
    return Number.NaN;
  }
}

function measured(): ClientAnswer {
  const { user, system } = process.cpuUsage(cpu);
  const wallMs = performance.now() - startedMs;
  const turns = { requests, failures, ...(firstFailure !== undefined && { firstFailure }), longestTurnMs: delay.max / 1e6 };
  for (let round = 0; round < 3; round++) globalThis.gc!();
  const { used_heap_size: heapUsed, external_memory: external } = getHeapStatistics();
  return {
    cpuMs: (user + system) / 1000,
    wallMs,
    heapMb: heapUsed / 1e6,
    externalMb: external / 1e6,
    rssMb: residentMb(),
    ...turns,
  };
}

serveParent(async (order: ClientOrder): Promise<ClientAnswer> => {
  if (order.do === 'connect') {
    called = order.called;
    call = order.kind === 'grpc-js-xds' ? await grpcCalls(order.address) : await meshCalls(order.kind, order.address);
    restart();
    await Promise.all(Array.from({ length: called }, (_, service) => request(service)));
  } else if (order.do === 'begin') {
    restart();
    let sent = 0;
    delay.enable();
    timer = setInterval(() => {
      const due = ((performance.now() - startedMs) / 1000) * order.ratePerSecond;
      for (; sent < due; sent++) void request(sent % called);
    }, 5);
  } else {
    clearInterval(timer);
    delay.disable();
  }
  return measured();
});
