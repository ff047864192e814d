/**
 * The clients that are compared. Each sends a GET, reads the JSON of the answer and returns it; connections are kept alive and not
 * limited. What a client takes to get a list of origins, an agent or a certificate is set up once; what it takes per request is
 * what a program would write. Clients are loaded only by the process that measures them.
 */
import { readFileSync } from 'node:fs';
import type { Agent as HttpAgent } from 'node:http';
import type { Agent, Dispatcher, request as undiciRequestFunction } from 'undici';
import type { MeshFileInput } from '../../src/control-plane/file/index.ts';
import type { IdentityFiles } from './origins.ts';

/** Where requests go. */
export interface Target {
  readonly ports: readonly number[];
  /** Mutual TLS, with the client's own files. */
  readonly tls?: IdentityFiles;
}

/** Sends one request and gives the parsed answer. */
export type Send = () => Promise<unknown>;

export interface Variant {
  readonly name: string;
  create(target: Target): Promise<Send>;
}

const path = '/api/items?page=2&order=price';
const keepAliveMs = 60_000;

export const variants: ReadonlyMap<string, Variant> = new Map(
  [
    variant('undici.request', undiciRequest),
    variant('undici.request again', undiciRequest),
    variant('undici.request + RetryAgent', async (target) => {
      const { request, RetryAgent } = await import('undici');
      return viaRequest(request, new RetryAgent(await undiciAgent(target), { maxRetries: 2 }), originUrls(target));
    }),
    variant('undici.request + mesh', async (target) => {
      const [{ request }, mesh] = await Promise.all([import('undici'), createBenchmarkMesh(target)]);
      return viaRequest(request, mesh.dispatcher, meshUrls);
    }),
    variant('undici.request + mesh + OTel metrics', async (target) => {
      await registerMetrics();
      const [{ request }, mesh] = await Promise.all([import('undici'), createBenchmarkMesh(target)]);
      return viaRequest(request, mesh.dispatcher, meshUrls);
    }),
    variant('undici.fetch', undiciFetch),
    variant('undici.fetch again', undiciFetch),
    variant("Node's fetch", async (target) => {
      const next = inTurn(originUrls(target));
      return async () => (await fetch(next())).json();
    }),
    variant('meshFetch', async (target) => {
      const mesh = await createBenchmarkMesh(target);
      const next = inTurn(meshUrls);
      return async () => (await mesh.fetch(next())).json();
    }),
    variant('node:http', nodeHttp),
    variant('node:http again', nodeHttp),
    variant('node:http + mesh', async (target) => viaNodeHttp((await createBenchmarkMesh(target)).httpAgent, meshUrls)),
    variant('axios + mesh', async (target) => {
      const { default: axios } = await import('axios');
      const { httpAgent } = await createBenchmarkMesh(target);
      const client = axios.create({ httpAgent, adapter: 'http' });
      const next = inTurn(meshUrls);
      return async () => (await client.get<unknown>(next())).data;
    }),
    variant('axios', async (target) => {
      const { default: axios } = await import('axios');
      const client = axios.create({ httpAgent: await nodeAgent(), adapter: 'http' });
      const next = inTurn(originUrls(target));
      return async () => (await client.get<unknown>(next())).data;
    }),
    variant('got', async (target) => {
      const { default: got } = await import('got');
      const client = got.extend({ agent: { http: await nodeAgent() } });
      const next = inTurn(originUrls(target));
      return () => client.get(next()).json();
    }),
    variant('ky', async (target) => {
      const { default: ky } = await import('ky');
      const next = inTurn(originUrls(target));
      return () => ky.get(next()).json();
    }),
  ].map((each) => [each.name, each]),
);

function variant(name: string, create: Variant['create']): Variant {
  return { name, create };
}

async function nodeHttp(target: Target): Promise<Send> {
  return viaNodeHttp(await nodeAgent(), originUrls(target));
}

async function viaNodeHttp(agent: HttpAgent, urls: readonly string[]): Promise<Send> {
  const { get } = await import('node:http');
  const next = inTurn(urls);
  return () =>
    new Promise((resolve, reject) => {
      const request = get(next(), { agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
      });
      request.on('error', reject);
    });
}

async function undiciRequest(target: Target): Promise<Send> {
  const { request } = await import('undici');
  return viaRequest(request, await undiciAgent(target), originUrls(target));
}

async function undiciFetch(target: Target): Promise<Send> {
  const [{ fetch }, dispatcher] = [await import('undici'), await undiciAgent(target)];
  const next = inTurn(originUrls(target));
  return async () => (await fetch(next(), { dispatcher })).json();
}

function viaRequest(request: typeof undiciRequestFunction, dispatcher: Dispatcher, urls: readonly string[]): Send {
  const next = inTurn(urls);
  return async () => (await request(next(), { dispatcher })).body.json();
}

/** Round robin, as a program without a mesh would do it at best. */
function inTurn(urls: readonly string[]): () => string {
  let turn = 0;
  return () => {
    turn = turn + 1 < urls.length ? turn + 1 : 0;
    return urls[turn]!;
  };
}

function originUrls({ ports, tls }: Target): string[] {
  return ports.map((port) => `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}${path}`);
}

const meshUrls: readonly string[] = [`http://orders${path}`];

async function undiciAgent({ tls }: Target): Promise<Agent> {
  const { Agent } = await import('undici');
  const connect = tls && {
    cert: readFileSync(tls.certificate),
    key: readFileSync(tls.privateKey),
    ca: readFileSync(tls.trustBundle),
    ALPNProtocols: ['http/1.1'],
  };
  return new Agent({ keepAliveTimeout: keepAliveMs, ...(connect && { connect }) });
}

async function nodeAgent() {
  const { Agent } = await import('node:http');
  return new Agent({ keepAlive: true });
}

/** A mesh over the origins with everything on that it has for a plain service. */
async function createBenchmarkMesh(target: Target) {
  const { createMesh } = await import('../../src/mesh.ts');
  return createMesh({ controlPlane: meshConfig(target) });
}

/** The configuration of that mesh. */
export function meshConfig({ ports, tls }: Target): MeshFileInput {
  return {
    services: {
      orders: {
        endpoints: ports.map((port) => `127.0.0.1:${port}`),
        loadBalancing: { policy: 'least-request' },
        protocol: 'http1',
        idleTimeoutMs: keepAliveMs,
        timeoutMs: 5000,
        retry: { maxAttempts: 3, on: ['connect-failure', 'reset', 'gateway-error'], perTryTimeoutMs: 2000 },
        circuitBreaker: { errorThresholdPercent: 50, minimumRequests: 10, openMs: 5000 },
        outlierDetection: { consecutive5xx: 5, baseEjectionMs: 30_000 },
        ...(tls && { tls: { mode: 'mutual' as const, peers: ['spiffe://example.org/orders'] } }),
      },
    },
    ...(tls && { identity: { ...tls } }),
  };
}

/** An SDK that collects and keeps metrics, as an application with OpenTelemetry has one. */
async function registerMetrics(): Promise<void> {
  const [{ metrics }, sdk] = await Promise.all([import('@opentelemetry/api'), import('@opentelemetry/sdk-metrics')]);
  const exporter = new sdk.InMemoryMetricExporter(sdk.AggregationTemporality.CUMULATIVE);
  const reader = new sdk.PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 });
  metrics.setGlobalMeterProvider(new sdk.MeterProvider({ readers: [reader] }));
}
