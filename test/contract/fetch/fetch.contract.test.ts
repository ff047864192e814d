import { useNodesOwnDispatcher } from './node-own.ts';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, describe, it } from 'node:test';
import tls from 'node:tls';
import { Agent } from 'undici';
import { createFetch } from '../../../src/fetch/create-fetch.ts';
import { fetchOverNode } from '../../../src/fetch/node-fetch.ts';
import { testAuthority, serverKeyPair, validity } from '../../support/certificates.ts';
import { allowedDifferences } from './allowed-differences.ts';
import { differences } from './differences.ts';
import { observe, type Door, type Observation } from './observe.ts';
import type { Scenario } from './scenario.ts';
import { scenarios } from './scenarios/index.ts';
import { Peer } from './server.ts';

/** Runs at once. More would only queue. */
const concurrency = 48;

const authority = await testAuthority();
const issued = await authority.issue({ ipAddresses: ['127.0.0.1'] }, validity());
tls.setDefaultCACertificates([...tls.getCACertificates(), authority.certificate]);
performance.setResourceTimingBufferSize(100_000);
useNodesOwnDispatcher();

const peer = new Peer();
await peer.listen(serverKeyPair(issued));
const agent = new Agent();
const nodeFetch = globalThis.fetch;
const doors: readonly Door[] = [
  { name: 'node', fetch: (...args) => nodeFetch(...args) },
  { name: 'lean', fetch: createFetch(agent) },
  { name: 'over-node', fetch: (input, init) => fetchOverNode(agent, input, init) },
];

const only = process.env['SCENARIO'];
const chosen = only === undefined ? scenarios : scenarios.filter(({ name }) => name.includes(only));
const results = await observeAll(chosen);

describe('fetch over a dispatcher', () => {
  after(async () => {
    await agent.destroy();
    peer.close();
  });

  it('is held to at least 300 scenarios with distinct names', () => {
    assert.ok(scenarios.length >= 300, `${scenarios.length} scenarios`);
    assert.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length);
  });

  for (const scenario of chosen) {
    const [node, lean, overNode] = results.get(scenario)!;
    it(`shows what Node's fetch shows: ${scenario.name}`, () => {
      assert.notEqual(node!.result, 'hung');
      assert.deepEqual(unexpected(scenario, 'lean', node!, lean!), []);
      assert.deepEqual(unexpected(scenario, 'over-node', node!, overNode!), []);
      if (lean!.lean !== undefined) assert.equal(lean!.lean, scenario.lean ?? true, 'served by the lean path');
    });
  }

  it('differs from Node’s fetch in no other way than listed, and in all ways listed', { skip: only !== undefined }, () => {
    const idle = allowedDifferences.filter(({ scenario: name, door, path }) => {
      const scenario = scenarios.find((each) => each.name === name);
      if (scenario === undefined) return true;
      const [node, lean, overNode] = results.get(scenario)!;
      const occurs = (actual: Observation): boolean => found(node!, actual).some((difference) => isAt(difference, path));
      return (door !== 'over-node' && !occurs(lean!)) || (door !== 'lean' && !occurs(overNode!));
    });
    assert.deepEqual(idle, []);
  });

  it('documents the differences, and no others', async () => {
    const page = await readFile(new URL('../../../docs/reference/fetch.md', import.meta.url), 'utf8');
    const list = page.slice(page.indexOf('| difference |'));
    const documented = [...list.matchAll(/^\| (?!difference )([^|]+) \| (?:lean|both)/gm)].map(([, title]) => title);
    assert.deepEqual(documented, [...new Set(allowedDifferences.map(({ title }) => title))]);
  });
});

async function observeAll(all: readonly Scenario[]): Promise<Map<Scenario, Observation[]>> {
  const observed = new Map<Scenario, Observation[]>();
  const queue = [...all];
  const work = async (): Promise<void> => {
    for (;;) {
      const scenario = queue.shift();
      if (scenario === undefined) return;
      observed.set(scenario, await Promise.all(doors.map((door) => observe(scenario, door, peer))));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return observed;
}

function found(node: Observation, actual: Observation): readonly string[] {
  return differences({ seen: node.seen, result: node.result }, { seen: actual.seen, result: actual.result });
}

function unexpected({ name }: Scenario, door: 'lean' | 'over-node', node: Observation, actual: Observation): readonly string[] {
  const allowed = allowedDifferences.filter((each) => each.scenario === name && (each.door === door || each.door === 'both'));
  return found(node, actual).filter((difference) => !allowed.some(({ path }) => isAt(difference, path)));
}

function isAt(difference: string, path: string): boolean {
  return difference.startsWith(`${path}: `) || difference.startsWith(`${path}.`);
}
