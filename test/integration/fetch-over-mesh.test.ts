/**
 * mesh.fetch shows what Node's fetch shows: every scenario of the contract of fetch, over a whole mesh instead of a bare dispatcher.
 * Errors differ in one way, which is taken out before the comparison: their cause is a MeshError, whose own cause is what Node has.
 */
import { useNodesOwnDispatcher } from '../contract/fetch/node-own.ts';
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import tls from 'node:tls';
import { createMesh } from 'meshfetch';
import { allowedDifferences } from '../contract/fetch/allowed-differences.ts';
import { differences } from '../contract/fetch/differences.ts';
import { observe } from '../contract/fetch/observe.ts';
import type { Scenario } from '../contract/fetch/scenario.ts';
import { scenarios } from '../contract/fetch/scenarios/index.ts';
import { Peer } from '../contract/fetch/server.ts';
import { serverKeyPair, testAuthority, validity } from '../support/certificates.ts';

const concurrency = 16;

/** Failures for which the mesh has words of its own and nothing of Node's below them. */
const ownWords = new Set(['url-wrong-"https:///x"', 'failure-unknown-host', 'failure-certificate-for-another-name']);

const authority = await testAuthority();
const issued = await authority.issue({ ipAddresses: ['127.0.0.1'] }, validity());
tls.setDefaultCACertificates([...tls.getCACertificates(), authority.certificate]);
performance.setResourceTimingBufferSize(100_000);
useNodesOwnDispatcher();
const nodeFetch = globalThis.fetch;
const peer = new Peer();
await peer.listen(serverKeyPair(issued));

/** The error of the transport instead of ours around it. */
function unwrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrapped);
  if (typeof value !== 'object' || value === null) return value;
  const { name, cause } = value as { name?: unknown; cause?: unknown };
  if ((name === 'MeshError' || name === 'ConnectError') && cause !== undefined) return unwrapped(cause);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, unwrapped(each)]));
}

async function compare(scenario: Scenario): Promise<readonly string[]> {
  // A mesh of its own: some answers of the peer leave a connection behind that ends with the next request.
  await using mesh = await createMesh({ controlPlane: { defaults: { retry: { maxAttempts: 1 } } }, drainTimeoutMs: 0 });
  const [node, ours] = await Promise.all([
    observe(scenario, { name: 'node', fetch: (...args) => nodeFetch(...args) }, peer),
    observe(scenario, { name: 'lean', fetch: mesh.fetch }, peer),
  ]);
  assert.notEqual(node.result, 'hung');
  const allowed = allowedDifferences.filter(({ scenario: name, door }) => name === scenario.name && door !== 'over-node');
  return differences({ seen: node.seen, result: node.result }, { seen: ours.seen, result: unwrapped(ours.result) }).filter(
    (difference) =>
      !allowed.some(({ path }) => difference.startsWith(path)) &&
      !(ownWords.has(scenario.name) && difference.startsWith('result.rejected.cause.')),
  );
}

describe('mesh.fetch', () => {
  after(() => peer.close());

  it(`shows what Node’s fetch shows in ${scenarios.length} scenarios`, async () => {
    const found: string[] = [];
    const queue = [...scenarios];
    const work = async (): Promise<void> => {
      for (let scenario = queue.shift(); scenario !== undefined; scenario = queue.shift()) {
        for (const difference of await compare(scenario)) found.push(`${scenario.name}: ${difference}`);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    assert.deepEqual(found, []);
  });

  for (const name of ownWords) {
    it(`rejects as fetch does, with a MeshError as the cause: ${name}`, async () => {
      await using mesh = await createMesh({ drainTimeoutMs: 0 });
      const scenario = scenarios.find((each) => each.name === name)!;
      const { result } = await observe(scenario, { name: 'lean', fetch: mesh.fetch }, peer);
      const { rejected } = result as { rejected: { name: string; message: string; cause: { name: string; code: string } } };
      assert.equal(rejected.name, 'TypeError');
      assert.equal(rejected.message, 'fetch failed');
      assert.equal(rejected.cause.name, 'MeshError');
      assert.match(rejected.cause.code, /^MESH_(?:DNS_FAILED|PEER_IDENTITY)$/);
    });
  }
});
