/** A client: a process that sends GETs at a steady pace, through Envoy or through its own mesh, and says what became of them. */
import { Agent, type Dispatcher } from 'undici';
import { translateResources } from '../../src/control-plane/xds/translate/resources.ts';
import { createMesh, isMeshError, type ControlPlane } from '../../src/index.ts';
import { serveParent } from '../child-process.ts';
import { answerBody } from './endpoints.ts';
import { fullPolicy } from './envoy-full.ts';
import type { Variant } from './fault-table.ts';

/** First its door is opened, so that the pace of all clients begins at once. */
export type ClientQuestion = OpenQuestion | RunQuestion;

export interface OpenQuestion {
  readonly kind: 'open';
  readonly variant: Variant;
  readonly service: string;
  readonly ports: readonly number[];
  /** Of Envoy's listener. */
  readonly envoyPort: number;
}

export interface RunQuestion {
  readonly kind: 'run';
  readonly perSecond: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface ClientAnswer {
  /** Calls that began after the warm-up. */
  readonly calls: number;
  readonly lost: number;
  readonly p99Ms: number;
  /** Why, by what the caller saw. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** A caller who waits no longer: then the call is lost. */
const patienceMs = 2500;
const sliceMs = 5;

interface Door {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly host: string;
  close(): Promise<void>;
}

async function openDoor({ variant, service, ports, envoyPort }: OpenQuestion): Promise<Door> {
  if (variant === 'envoy') {
    const dispatcher = new Agent({ keepAliveTimeout: 60_000 });
    return { dispatcher, origin: `http://127.0.0.1:${envoyPort}`, host: service, close: () => dispatcher.destroy() };
  }
  const mesh = await createMesh({
    controlPlane:
      variant === 'mesh-full'
        ? envoyPlane(fullPolicy([{ name: service, ports }]))
        : { services: { [service]: { endpoints: ports.map((port) => `127.0.0.1:${port}`) } } },
    drainTimeoutMs: 0,
  });
  await mesh.ready();
  return { dispatcher: mesh.dispatcher, origin: `http://${service}`, host: service, close: () => mesh.close() };
}

/** Serves resources of Envoy, once. */
function envoyPlane(bootstrap: object): ControlPlane {
  const { resources, problems } = translateResources([bootstrap]);
  if (problems.length > 0) throw new TypeError(problems.map(({ path, reason }) => `${path} ${reason}`).join('\n'));
  return {
    name: 'envoy',
    async run({ sink, signal }) {
      await sink.apply({ version: '1', set: resources, remove: [] });
      sink.status({ state: 'connected' });
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
}

async function call({ dispatcher, origin, host }: Door): Promise<string | undefined> {
  try {
    const response = await dispatcher.request({
      origin,
      path: '/',
      method: 'GET',
      headers: { host },
      signal: AbortSignal.timeout(patienceMs),
    });
    const body = await response.body.text();
    if (response.statusCode !== 200) return String(response.statusCode);
    return body === answerBody ? undefined : 'half an answer';
  } catch (error) {
    if (isMeshError(error)) return error.code;
    return error instanceof DOMException ? 'no answer in time' : 'broke off';
  }
}

let door: Door | undefined;

async function answer(question: ClientQuestion): Promise<ClientAnswer | object> {
  if (question.kind === 'run') return run(question, door!);
  await door?.close();
  door = await openDoor(question);
  return {};
}

async function run({ perSecond, warmUpMs, durationMs }: RunQuestion, door: Door): Promise<ClientAnswer> {
  const latencies: number[] = [];
  const reasons: Record<string, number> = {};
  let lost = 0;
  const underWay = new Set<Promise<void>>();
  const one = async (isCounted: boolean): Promise<void> => {
    const startMs = performance.now();
    const failure = await call(door);
    if (!isCounted) return;
    latencies.push(performance.now() - startMs);
    if (failure === undefined) return;
    lost++;
    reasons[failure] = (reasons[failure] ?? 0) + 1;
  };
  const startMs = performance.now();
  let sent = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = Math.min(performance.now() - startMs, warmUpMs + durationMs);
      for (const due = Math.floor((elapsedMs / 1000) * perSecond); sent < due; sent++) {
        const work = one((sent / perSecond) * 1000 >= warmUpMs).finally(() => underWay.delete(work));
        underWay.add(work);
      }
      if (elapsedMs < warmUpMs + durationMs) return;
      clearInterval(timer);
      resolve();
    }, sliceMs);
  });
  await Promise.all(underWay);
  latencies.sort((first, second) => first - second);
  return { calls: latencies.length, lost, p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0, reasons };
}

if (import.meta.main) serveParent(answer);
