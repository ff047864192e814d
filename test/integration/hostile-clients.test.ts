/**
 * Whatever a client sends, and whenever it leaves: the process lives, and nothing of the client is left in it. The bytes are drawn by a
 * seed that a failure names. `MESHFETCH_FUZZ_SECONDS` says how long (3 s by default), `MESHFETCH_FUZZ_SEED` where to begin.
 */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { seededRandom, systemClock } from '../../src/base/runtime.ts';
import type { FuzzedPorts, FuzzedRest } from '../support/fuzzed-server.ts';
import { Chance, hostileHttp1, hostileHttp2, mutated } from '../support/hostile-bytes.ts';
import { askHttp1 } from '../support/listening.ts';

const seconds = Number(process.env['MESHFETCH_FUZZ_SECONDS'] ?? 3);
const firstSeed = Number(process.env['MESHFETCH_FUZZ_SEED'] ?? 1);
const clientsAtATime = 24;

let child: ChildProcess;
let ports: FuzzedPorts;
let lastWords = '';
before(async () => {
  child = fork(new URL('../support/fuzzed-server.ts', import.meta.url), {
    execArgv: ['--conditions=meshfetch-source'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (lastWords += text));
  const [told] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => assert.fail(`the program did not come up: ${lastWords}`)),
  ])) as [FuzzedPorts];
  ports = told;
});
after(() => child.kill());

async function rest(): Promise<FuzzedRest> {
  const answer = once(child, 'message');
  child.send('what is left?');
  return ((await answer) as [FuzzedRest])[0];
}

/** One client: connects, writes one or two pieces, and leaves in one of the ways there are. */
function client(chance: Chance): Promise<void> {
  const port = chance.of(ports.ports);
  const kind = chance.below(5);
  const bytes = kind % 3 === 0 ? hostileHttp1(chance, ports.token) : hostileHttp2(chance, ports.token);
  const raw = connectTcp(port, '127.0.0.1').on('error', () => {});
  const socket = kind < 3 ? raw : secured(chance, raw, kind === 3 ? 'http/1.1' : 'h2');
  const cut = chance.isOne(3) ? chance.below(bytes.length + 1) : bytes.length;
  const leaving = chance.below(5);
  const stayMs = chance.below(12);
  if (!chance.isOne(4)) socket.resume();
  socket.once(socket === raw ? 'connect' : 'secureConnect', () => {
    socket.write(bytes.subarray(0, cut));
    if (cut < bytes.length) setImmediate(() => socket.write(bytes.subarray(cut)));
    const leave = (): void => {
      if (leaving < 2) raw.resetAndDestroy();
      else if (leaving === 2) socket.destroy();
      else socket.resume().end();
    };
    if (leaving === 0) leave();
    else setTimeout(leave, stayMs);
    setTimeout(() => raw.destroy(), 60);
  });
  setTimeout(() => raw.destroy(), 1_000).unref();
  return new Promise((resolve) => raw.once('close', () => resolve()));
}

/** A handshake that may go wrong: no certificate, records that are not as they were, protocols that nobody speaks. */
function secured(chance: Chance, raw: Socket, protocol: string): Socket {
  const { certificate, key, ca } = ports;
  return connectTls({
    socket: chance.isOne(4) ? garbled(chance, raw) : raw,
    ca,
    checkServerIdentity: () => undefined,
    ...(!chance.isOne(4) && { cert: certificate, key }),
    ALPNProtocols: chance.of([[protocol], [protocol], ['istio', protocol], ['nothing']]),
  }).on('error', () => {});
}

/** A connection on whose way some records become others. */
function garbled(chance: Chance, raw: Socket): Duplex {
  const onceIn = 1 + chance.below(6);
  const way = new Duplex({
    read: () => void raw.resume(),
    write: (data: Buffer, _encoding, done) => {
      raw.write(chance.isOne(onceIn) ? mutated(chance, Buffer.from(data)) : data);
      done();
    },
    final: (done) => void raw.end(done),
  });
  raw.on('data', (data) => way.push(data)).on('close', () => way.destroy());
  return way.on('error', () => {});
}

describe('clients that mean it no good', () => {
  it('end no process, and leave nothing behind', { timeout: seconds * 1000 + 30_000 }, async () => {
    const endMs = systemClock.now() + seconds * 1000;
    let clients = 0;
    for (let seed = firstSeed; systemClock.now() < endMs; seed += 1) {
      const chance = new Chance(seededRandom(seed));
      await Promise.all(Array.from({ length: clientsAtATime }, () => client(chance)));
      clients += clientsAtATime;
      assert.equal(child.exitCode ?? child.signalCode, null, `the process ended at seed ${seed}:\n${lastWords}`);
    }
    assert.equal((await askHttp1(ports.ports[0]!, { path: '/ready' })).body, 'ready');
    // The limits of what is half done run out within a second or so.
    const waitUntilMs = systemClock.now() + 10_000;
    let left = await rest();
    while (left.connections + left.requests > 0 && systemClock.now() < waitUntilMs) {
      await sleep(50);
      left = await rest();
    }
    assert.deepEqual(left, { connections: 0, requests: 0 }, `after ${clients} clients, seeds from ${firstSeed}`);
    assert.equal(child.exitCode, null, lastWords);
  });
});
