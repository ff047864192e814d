import { randomUUID } from 'node:crypto';
import { readers } from './readers.ts';
import type { Run, Scenario } from './scenario.ts';
import type { Peer } from './server.ts';

/** A fetch under observation. */
export interface Door {
  readonly name: 'node' | 'lean' | 'over-node';
  readonly fetch: typeof globalThis.fetch;
}

/** Everything that a caller and the peer could see of one run, as plain data. */
export interface Observation {
  readonly seen: unknown;
  readonly result: unknown;
  /** Whether the lean path served it; undefined without a response. */
  readonly lean: boolean | undefined;
}

/** A run that takes longer has hung. */
const patienceMs = 10_000;

export async function observe(scenario: Scenario, door: Door, peer: Peer): Promise<Observation> {
  const run = newRun(peer);
  let lean: boolean | undefined;
  const fetch: typeof globalThis.fetch = async (...args) => {
    const response = await door.fetch(...args);
    lean = Object.getPrototypeOf(response) !== Response.prototype;
    return response;
  };
  const work = scenario.act === undefined ? call(scenario, fetch, run) : scenario.act(fetch, run);
  const result = await Promise.race([work.catch((error: unknown) => ({ rejected: error })), patience()]);
  const clean = cleaner(run);
  return { seen: clean(peer.seen.get(run.id) ?? []), result: clean(result), lean };
}

async function call(scenario: Scenario, fetch: typeof globalThis.fetch, run: Run): Promise<unknown> {
  const input = typeof scenario.input === 'string' ? run.url(scenario.input) : scenario.input(run);
  const init = scenario.makeInit === undefined ? scenario.init : scenario.makeInit(run);
  const response = await fetch(input as string, init as RequestInit);
  const head = describeResponse(response);
  let read: unknown;
  try {
    read = { value: await readers[scenario.read ?? 'text']!(response) };
  } catch (error) {
    read = { rejected: error };
  }
  return { head, read, bodyUsed: response.bodyUsed };
}

function describeResponse(response: Response): unknown {
  const { status, ok, statusText, type, redirected, url, bodyUsed } = response;
  const headers = [...response.headers]
    .filter(([name]) => name !== 'date')
    .map(([name, value]) => `${name}: ${value.slice(0, 100)}`);
  return { status, ok, statusText, type, redirected, url, bodyUsed, headers, setCookie: response.headers.getSetCookie() };
}

function newRun(peer: Peer): Run {
  const id = randomUUID();
  const url: Run['url'] = (route, origin = 'self') => `${peer.origins[origin]}/${id}/${route}`;
  const redirect: Run['redirect'] = (status, to, more = '') =>
    url(`redirect?status=${status}${to === null ? '' : `&to=${encodeURIComponent(to)}`}${more}`);
  return { id, peer, url, redirect };
}

async function patience(): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  setTimeout(() => resolve('hung'), patienceMs).unref();
  return promise;
}

/** Plain data without what differs from run to run: its id, the ports; errors by what a program would look at. */
function cleaner(run: Run): (value: unknown) => unknown {
  const text = (value: string): string => {
    let all = value.replaceAll(run.id, 'RUN');
    for (const [name, origin] of Object.entries(run.peer.origins)) {
      all = all.replaceAll(origin, `{${name}}`).replaceAll(new URL(origin).host, `{${name}-host}`);
    }
    return all.replaceAll(/-{4,}formdata-undici-0\d+|(?<=localPort|remotePort)\D+\d+/g, '#');
  };
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value);
    if (value instanceof Error) return cleanError(value);
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, clean(each)]));
    return typeof value === 'function' || typeof value === 'symbol' ? String(value) : value;
  };
  const cleanError = (error: Error): unknown => {
    const { name, message } = error;
    const code: unknown = Reflect.get(error, 'code');
    const kinds = [TypeError, RangeError, SyntaxError, DOMException]
      .filter((kind) => error instanceof kind)
      .map((kind) => kind.name);
    return { name, kinds, message: text(message), code, ...('cause' in error && { cause: clean(error.cause) }) };
  };
  return clean;
}
