/**
 * The way in under mixed load while policies, certificates and roots change: no request fails that should not, and nothing is left over.
 *
 *     node --conditions=meshfetch-source test/endurance/inbound.ts [seconds, 60 by default] [part of the names of what is done]
 *
 * Not part of `npm test`: it takes its time, and all of the machine. Exit status 1 when something was wrong.
 *
 * Three ports of one mesh in a process of its own (inbound-server.ts) get HTTP/1.1 and HTTP/2, in plaintext and over mutual TLS: short and
 * slow answers, uploads, upgrades, refusals, requests that are broken off at random moments, and bytes that are no HTTP. Every 200 ms the
 * policy is another one, every 400 ms the server's certificate, every 600 ms its trust bundle. Callers send again what the rules of HTTP
 * let them (a request on a kept connection that was closed just then, a stream that the server refused), and nothing else.
 *
 * What it finds with Node 24.21: of about a thousand uploads over HTTP/2 and TLS whose client vanishes, one leaves its session behind, with
 * frames that are never written and an end that is never read. A server of `node:http2` alone does the same.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../../benchmarks/child-process.ts';
import { disturb, echo, Http1Caller, Http2Caller, type Caller, type CallerTls, type Reply } from './callers.ts';
import type { Measures, Opened, ServerQuestion } from './inbound-server.ts';

const seconds = Number(process.argv[2] ?? 60);
const wanted = process.argv[3] ?? '';
const warmUpSeconds = Math.min(10, seconds);
const changeEveryMs = 200;
const answerLimitMs = 15_000;
/** Code that is compiled later, caches that fill: less than any leak of a minute. */
const heapGrowthBytes = 4 * 1024 * 1024;

/** What became of one kind of request. */
class Tally {
  asked = 0;
  again = 0;
  readonly failures: string[] = [];
}

const tallies = new Map<string, Tally>();
const faults: string[] = [];
process.on('unhandledRejection', (reason) => faults.push(`unhandled rejection of a caller: ${String(reason)}`));

function tallyOf(name: string): Tally {
  const known = tallies.get(name) ?? new Tally();
  tallies.set(name, known);
  return known;
}

/** Does it again and again until `end`, with pauses. */
async function repeat(end: AbortSignal, name: string, work: (tally: Tally) => Promise<void>): Promise<void> {
  if (!name.includes(wanted)) return;
  const tally = tallyOf(name);
  while (!end.aborted) {
    tally.asked += 1;
    try {
      await Promise.race([work(tally), late()]);
    } catch (error) {
      tally.failures.push(String((error as Error).stack ?? error).split('\n')[0]!);
    }
    await sleep(Math.random() * 40);
  }
}

/** Rejects when nothing has come of a request for long enough to say that nothing will. */
async function late(): Promise<never> {
  await sleep(answerLimitMs, undefined, { ref: false });
  throw new Error(`no answer in ${answerLimitMs} ms`);
}

function expect(reply: Reply, status: number, text?: string): void {
  if (reply.status !== status || (text !== undefined && reply.text !== text))
    throw new Error(`${reply.status} ${reply.text.slice(0, 80)} instead of ${status} ${text ?? ''}`);
}

/** All callers for a while. */
async function load(opened: Opened, forMs: number): Promise<void> {
  const end = AbortSignal.timeout(forMs);
  const tls = { ca: opened.ca, servername: 'localhost', ...opened.trusted };
  const strange = { ...tls, ...opened.sometimesTrusted };
  const callers: Caller[] = [];
  const work: Promise<void>[] = [];
  const transports: readonly (readonly [string, CallerTls])[] = [
    ['plaintext', undefined],
    ['mTLS', tls],
  ];
  for (const [port, portName] of [
    [opened.bridge, 'bridge'],
    [opened.native, 'native'],
  ] as const) {
    for (const [transport, secure] of transports) {
      for (const [protocol, caller] of [
        ['HTTP/1.1', new Http1Caller(port, secure)],
        ['HTTP/2', new Http2Caller(port, secure)],
      ] as const) {
        callers.push(caller);
        const name = `${portName}, ${protocol}, ${transport}`;
        const again = (tally: Tally) => () => void (tally.again += 1);
        for (let count = 0; count < 2; count++)
          work.push(
            repeat(end, `${name}: short`, async (tally) => expect(await caller.ask({ path: '/ok' }, again(tally)), 200, 'ok')),
          );
        work.push(
          repeat(end, `${name}: slow`, async (tally) => expect(await caller.ask({ path: '/slow' }, again(tally)), 200, 'ab')),
          repeat(end, `${name}: refused`, async (tally) => expect(await caller.ask({ path: '/denied' }, again(tally)), 403)),
          repeat(end, `${name}: uploads`, async (tally) => {
            const bytes = Math.floor(Math.random() * 300_000);
            expect(await caller.ask({ path: '/count', bytes }, again(tally)), 200, String(bytes));
          }),
        );
        const breaking = protocol === 'HTTP/2' ? new Http2Caller(port, secure) : new Http1Caller(port, secure);
        callers.push(breaking);
        work.push(
          repeat(end, `${name}: broken off`, () =>
            breaking.breakOff(Math.random() < 0.5 ? { path: '/slow' } : { path: '/count', bytes: 500_000 }, Math.random() * 30),
          ),
        );
      }
      if (portName === 'bridge')
        work.push(
          repeat(end, `${portName}, ${transport}: upgrades`, () => echo(port, secure, Math.floor(Math.random() * 20_000))),
        );
      work.push(repeat(end, `${portName}, ${transport}: no HTTP`, () => disturb(port, secure, Math.random() * 30)));
    }
  }
  const [certain, plain, other] = [
    new Http2Caller(opened.turning, tls),
    new Http1Caller(opened.turning, undefined),
    new Http1Caller(opened.bridge, strange),
  ];
  callers.push(certain, plain, other);
  work.push(
    repeat(end, 'strict in turn, mTLS', async (tally) =>
      expect(await certain.ask({ path: '/ok' }, () => void (tally.again += 1)), 200, 'ok'),
    ),
    // Refused while the port is strict, and the other authority while it is not trusted: what counts is that it harms nobody.
    repeat(end, 'strict in turn, plaintext', async () => void (await plain.ask({ path: '/ok' }, () => {}).catch(() => {}))),
    repeat(end, 'trusted in turn', async () => void (await other.ask({ path: '/ok' }, () => {}).catch(() => {}))),
  );
  await Promise.all(work);
  for (const caller of callers) caller.close();
}

const server = startChild({
  file: join(import.meta.dirname, 'inbound-server.ts'),
  args: [],
  nodeFlags: ['--conditions=meshfetch-source', '--expose-gc'],
});
const ask = <Answer>(question: ServerQuestion): Promise<Answer> => server.ask<Answer>(question);

/** What the server holds when everybody has left. */
async function measure(): Promise<Measures> {
  for (let tries = 0; ; tries++) {
    const measures = await ask<Measures>({ kind: 'measure' });
    const isQuiet = measures.connections === 0 && measures.requestsInFlight === 0;
    if (isQuiet || tries === 50) return measures;
    await sleep(200);
  }
}

async function loaded(opened: Opened, forSeconds: number): Promise<Measures> {
  await ask({ kind: 'change', everyMs: changeEveryMs });
  await load(opened, forSeconds * 1000);
  await ask({ kind: 'change', everyMs: undefined });
  return measure();
}

function leftOver(before: Measures, after: Measures): string[] {
  const wrong: string[] = [];
  if (after.connections > 0) wrong.push(`${after.connections} connections are still open`);
  if (after.requestsInFlight > 0) wrong.push(`${after.requestsInFlight} requests are still under way`);
  if (after.openFiles > before.openFiles) wrong.push(`${after.openFiles} open files, ${before.openFiles} before`);
  for (const [type, count] of Object.entries(after.resources))
    if (type !== 'Timeout' && type !== 'Immediate' && count > (before.resources[type] ?? 0))
      wrong.push(`${count} × ${type}, ${before.resources[type] ?? 0} before`);
  const grown = after.heapBytes - before.heapBytes;
  if (grown > heapGrowthBytes) wrong.push(`the heap has grown by ${(grown / 2 ** 20).toFixed(1)} MiB`);
  return wrong;
}

try {
  const opened = await ask<Opened>({ kind: 'open' });
  const before = await loaded(opened, warmUpSeconds);
  tallies.clear();
  const after = await loaded(opened, seconds);
  const closed = await ask<Measures>({ kind: 'close' });
  const kept = Object.keys(closed.resources).filter((type) => /^(?:TCP|TLS|FS|Timeout)/.test(type));

  let asked = 0;
  for (const [name, tally] of tallies) {
    asked += tally.asked;
    console.log(`${name}: ${tally.asked} asked, ${tally.again} again, ${tally.failures.length} failed`);
    for (const [failure, count] of countOf(tally.failures)) faults.push(`${name}: ${count} × ${failure}`);
  }
  faults.push(...closed.faults, ...leftOver(before, after), ...kept.map((type) => `${type} is there after close()`));
  console.log(
    `\n${asked} requests in ${seconds} s, ${after.changes - before.changes} changes of policy\n` +
      `heap ${(before.heapBytes / 2 ** 20).toFixed(1)} MiB after ${warmUpSeconds} s, ${(after.heapBytes / 2 ** 20).toFixed(1)} MiB at the end; ` +
      `open files ${before.openFiles}, ${after.openFiles}\nconnections refused: ${JSON.stringify(after.refusedConnections)}`,
  );
  console.log(faults.length === 0 ? '\nnothing was wrong' : `\n${faults.length} things were wrong:\n${faults.join('\n')}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await server.stop();
}

function countOf(texts: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}
