/**
 * `meshfetch demo`: frontend → orders ×3 → inventory ×2 as real processes with mutual TLS from a development CA. Steady load goes
 * through meshFetch while one instance is killed, one is made slow, a canary is shifted and a certificate rotated. Exit status 0
 * when no request was lost.
 */
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../../base/runtime.ts';
import { createMesh } from '../../mesh.ts';
import type { Mesh } from '../../mesh-interface.ts';
import type { CommandIo } from '../command.ts';
import { startFleet, type Fleet } from './fleet.ts';
import { endpointStates, lossesByKind, lossFrom, lossFromBody, lossLines, type EndpointState } from './loss.ts';
import { liveScreen, plainScreen, type Screen } from './screen.ts';
import { share, Tally, type Seen } from './tally.ts';

const help = `Usage: meshfetch demo [--json] [--rate N]

Starts a mesh of real processes on loopback (frontend → orders ×3 → inventory ×2, mutual TLS), sends steady load through
meshFetch, and breaks things: kills an instance, makes one slow, shifts a canary, rotates a certificate. Ends by itself
after about 15 seconds with a summary. Exit status 0 = no request was lost.

  --json     the last line of the output is the summary as one JSON object
  --rate N   requests a second, default 100
  --plain    plain lines even in a terminal
`;

const warmUpRequests = 50;

interface Summary {
  readonly requests: number;
  readonly ok: number;
  readonly lost: number;
  /** By code and flag, the most first. */
  readonly losses: ReturnType<typeof lossesByKind>;
  /** As each process sees them at the end; only when requests were lost. */
  readonly endpoints: readonly EndpointState[];
  readonly retried: number;
  readonly ejected: readonly string[];
  readonly peer: string;
  readonly canary: { readonly before: number; readonly after: number };
  readonly rotated: boolean;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly seconds: number;
}

/** Runs the demo; resolves with the exit status. */
export async function demo(args: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean' },
      rate: { type: 'string', default: '100' },
      plain: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const rate = Number(values.rate);
  if (values.help || !(rate >= 1 && rate <= 1000)) {
    (values.help ? io.stdout : io.stderr).write(help);
    return values.help ? 0 : 2;
  }
  const screen = io.stdout.isTTY === true && values.json !== true && values.plain !== true ? liveScreen(io) : plainScreen(io);
  endOnSignals();
  const startMs = systemClock.now();
  const atS = (): number => (systemClock.now() - startMs) / 1000;
  let isRotating = false;
  const record = { retried: 0, ejected: [] as string[] };
  let fleet: Fleet | undefined;
  const nameOf = (endpoint: unknown): string =>
    fleet?.instances.find(({ port }) => endpoint === `127.0.0.1:${port}`)?.name ?? String(endpoint);

  screen.note(atS(), 'starting 6 processes with certificates of a development CA …');
  fleet = await startFleet((instance, event, payload) => {
    if (event === 'retry:scheduled') {
      record.retried++;
      if (record.retried <= 3)
        screen.note(
          atS(),
          `${instance} retries a request that failed at ${nameOf(payload['endpoint'])} (${String(payload['reason'])})`,
        );
    } else if (event === 'host:ejected') {
      record.ejected.push(nameOf(payload['endpoint']));
      screen.note(atS(), `${instance} ejects ${nameOf(payload['endpoint'])}: ${String(payload['reason'])}`);
    } else if (event === 'host:returned')
      screen.note(atS(), `${instance} takes ${nameOf(payload['endpoint'])} back: its probe succeeded`);
    else if (event === 'identity:rotated' && payload['kind'] === 'svid' && isRotating)
      screen.note(atS(), `${instance} uses its new certificate`);
  });
  const mesh = await createMesh({ name: 'demo', controlPlane: fleet.driverConfig, unknownHosts: 'refuse' });
  try {
    const summary = await run(fleet, mesh, screen, rate, atS, record, () => {
      isRotating = true;
    });
    io.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : wordsOf(summary, nameOf));
    return summary.lost === 0 ? 0 : 1;
  } finally {
    await mesh.close();
    await fleet.stop();
  }
}

/** Ctrl-C and a closed pipe end the demo at once; the fleet cleans up at exit. */
function endOnSignals(): void {
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  process.once('SIGHUP', () => process.exit(129));
  process.stdout.once('error', () => process.exit(1));
}

async function run(
  fleet: Fleet,
  mesh: Mesh,
  screen: Screen,
  rate: number,
  atS: () => number,
  record: { readonly retried: number; readonly ejected: readonly string[] },
  onRotation: () => void,
): Promise<Summary> {
  const tally = new Tally();
  const states = new Map(fleet.instances.filter(({ role }) => role !== 'frontend').map(({ name }) => [name, 'running']));
  const stop = new AbortController();
  // The first requests make connections and compile code in every process; they are counted, and they come one by one.
  for (let number = 0; number < warmUpRequests; number++) tally.add(await send(mesh, number));
  const load = drive(mesh, tally, rate, stop.signal);
  const all: Seen[] = [];
  let peer = '';
  const serials = new Set<string>();
  /** Lets the load run, with a line or a new table each second. */
  const watch = async (seconds: number): Promise<Seen[]> => {
    const before = all.length;
    for (let second = 0; second < seconds; second++) {
      await sleep(systemClock, 1000);
      const seen = tally.take();
      all.push(...seen);
      for (const one of seen) {
        if (one.peer !== undefined) ({ peer } = one);
        if (one.serial !== undefined) serials.add(one.serial);
      }
      screen.second(
        { atS: atS(), seen, lost: tally.requests - tally.ok },
        [...states].map(([name, state]) => ({ name, state })),
      );
    }
    return all.slice(before);
  };
  const instance = (name: string) => fleet.instances.find((one) => one.name === name)!;

  const calm = await watch(3);
  screen.note(atS(), 'SIGKILL orders-2');
  instance('orders-2').process.kill('SIGKILL');
  states.set('orders-2', 'killed');
  await watch(3);
  screen.note(atS(), 'inventory-1 answers 400 ms late from now on; orders gives each attempt 150 ms');
  // One that is gone is not slow; its state says so.
  instance('inventory-1').process.send({ slowMs: 400 }, () => {});
  states.set('inventory-1', 'slow');
  await watch(3);
  screen.note(atS(), 'the canary goes from 10 % to 50 %: frontend.yaml is edited');
  await fleet.setCanary(50);
  await watch(1);
  const shifted = await watch(2);
  screen.note(atS(), 'the frontend gets a new certificate');
  const serialsBefore = serials.size;
  onRotation();
  await fleet.rotate('frontend');
  await watch(3);
  stop.abort();
  await load;
  all.push(...tally.take());
  const isV2 = ({ version }: Seen): boolean => version === 'v2';
  return {
    requests: tally.requests,
    ok: tally.ok,
    lost: tally.requests - tally.ok,
    losses: lossesByKind(tally.losses),
    endpoints: tally.losses.length === 0 ? [] : [...endpointStates(mesh.status(), 'demo'), ...(await fleet.endpoints())],
    retried: record.retried,
    ejected: record.ejected,
    peer,
    canary: { before: share(calm, isV2), after: share(shifted, isV2) },
    rotated: serials.size > serialsBefore,
    p50Ms: tally.percentileMs(50),
    p99Ms: tally.percentileMs(99),
    seconds: Math.round(atS() * 10) / 10,
  };
}

/** Open-loop load: a request every 1/rate seconds whether or not earlier ones have ended. Resolves when the last one has. */
async function drive(mesh: Mesh, tally: Tally, rate: number, signal: AbortSignal): Promise<void> {
  const pending = new Set<Promise<void>>();
  const startMs = systemClock.now();
  for (let number = 0; !signal.aborted; number++) {
    const waitMs = startMs + (number * 1000) / rate - systemClock.now();
    if (waitMs > 0) await sleep(systemClock, waitMs);
    const request = send(mesh, number).then((seen) => {
      tally.add(seen);
      pending.delete(request);
    });
    pending.add(request);
  }
  await Promise.all(pending);
}

async function send(mesh: Mesh, number: number): Promise<Seen> {
  const startMs = systemClock.now();
  const latencyMs = (): number => systemClock.now() - startMs;
  try {
    const response = await mesh.fetch(`http://frontend/api/${number}`);
    const text = await response.text();
    if (!response.ok) return { ok: false, latencyMs: latencyMs(), loss: lossFromBody(text, response.status, 'demo') };
    const { orders } = JSON.parse(text) as {
      orders: { by: string; version: string; peer: string; serial: string; inventory: { by: string } };
    };
    return {
      ok: true,
      latencyMs: latencyMs(),
      orders: orders.by,
      version: orders.version,
      peer: orders.peer,
      serial: orders.serial,
      inventory: orders.inventory.by,
    };
  } catch (error) {
    return { ok: false, latencyMs: latencyMs(), loss: lossFrom(error, 'demo') };
  }
}

function wordsOf(summary: Summary, nameOf: (endpoint: unknown) => string): string {
  const { requests, lost, losses, endpoints, retried, ejected, peer, canary, rotated, p50Ms, p99Ms, seconds } = summary;
  return [
    '',
    `  ${requests} requests in ${seconds} s, ${lost} lost, ${retried} attempts repeated, p50 ${p50Ms} ms, p99 ${p99Ms} ms`,
    `  ejected: ${ejected.join(', ') || 'nobody'}`,
    `  orders saw the verified peer ${peer}${rotated ? ', before and after its certificate was rotated' : ''}`,
    `  canary v2: ${canary.before} % before, ${canary.after} % after the edit`,
    lost === 0 ? '  no request was lost' : `  ${lost} REQUESTS WERE LOST:`,
    ...lossLines(losses, endpoints, nameOf),
    '',
  ].join('\n');
}
