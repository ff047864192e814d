import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import type { Metadata } from '../../../../src/model/tls.ts';
import type { RetryConfig } from '../../../../src/model/policy.ts';
import { loadBalancingPolicies } from '../../../../src/data-plane/load-balancing/index.ts';
import { RetryHosts, type RetryCandidate } from '../../../../src/data-plane/resilience/retry-hosts.ts';

function host(port: number, priority = 0, metadata: Metadata = {}): RetryCandidate {
  return { address: `192.0.2.1:${port}`, weight: 1, inFlight: 0, priority, endpoint: { metadata } };
}

/** Hosts that are drawn for `times` retries after these failed. */
function drawn(
  hosts: readonly RetryCandidate[],
  failed: readonly number[],
  retry: Partial<RetryConfig>,
  times = 200,
): Set<string> {
  const random = seededRandom(11);
  const policy = loadBalancingPolicies.get('random')!;
  const picker = policy.build(hosts, policy.options.parse(undefined, 'options'), random);
  const found = new Set<string>();
  for (let time = 0; time < times; time++) {
    const rules = new RetryHosts<RetryCandidate>({ maxAttempts: 9, on: [], ...retry });
    for (const index of failed) rules.add(hosts[index]!);
    found.add(rules.pick(picker, hosts, { tried: rules.tried, random, now: 0 })!.address.split(':')[1]!);
  }
  return found;
}

const three = [host(1), host(2), host(3)];
const canaries = [host(1), host(2, 0, { canary: true }), host(3, 0, { canary: true }), host(4, 0, { canary: true })];
const priorities = [host(1, 0), host(2, 0), host(3, 1), host(4, 2)];

describe('RetryHosts', () => {
  const table: {
    name: string;
    hosts: readonly RetryCandidate[];
    failed: readonly number[];
    retry: Partial<RetryConfig>;
    ports: string[];
  }[] = [
    { name: 'no-tried-host', hosts: three, failed: [0], retry: {}, ports: ['2', '3'] },
    { name: 'only-one-left', hosts: three, failed: [0, 1], retry: {}, ports: ['3'] },
    { name: 'any-when-all-were-tried', hosts: three, failed: [0, 1, 2], retry: {}, ports: ['1', '2', '3'] },
    { name: 'tried-hosts-too', hosts: three, failed: [0], retry: { avoidTriedHosts: false }, ports: ['1', '2', '3'] },
    {
      name: 'none-with-the-metadata',
      hosts: canaries,
      failed: [],
      retry: { avoidHostMetadata: { canary: true } },
      ports: ['1'],
    },
    {
      name: 'none-with-the-metadata-though-asked-once',
      hosts: canaries,
      failed: [],
      retry: { avoidHostMetadata: { canary: true }, hostSelectionAttempts: 0 },
      ports: ['1'],
    },
    {
      name: 'one-with-the-metadata-when-the-others-were-tried',
      hosts: canaries,
      failed: [0],
      retry: { avoidHostMetadata: { canary: true } },
      ports: ['2', '3', '4'],
    },
    {
      name: 'another-value-of-the-metadata',
      hosts: canaries,
      failed: [],
      retry: { avoidHostMetadata: { canary: false } },
      ports: ['1', '2', '3', '4'],
    },
    { name: 'the-next-priority', hosts: priorities, failed: [0], retry: { priorityUpdateFrequency: 1 }, ports: ['3', '4'] },
    { name: 'the-last-priority', hosts: priorities, failed: [0, 2], retry: { priorityUpdateFrequency: 1 }, ports: ['4'] },
    {
      name: 'the-same-priority-until-so-many-failed',
      hosts: priorities,
      failed: [0],
      retry: { priorityUpdateFrequency: 2 },
      ports: ['2', '3', '4'],
    },
    { name: 'both-priorities-together', hosts: priorities, failed: [0, 2], retry: { priorityUpdateFrequency: 2 }, ports: ['4'] },
    {
      name: 'any-priority-again-when-all-failed',
      hosts: priorities,
      failed: [0, 2, 3],
      retry: { priorityUpdateFrequency: 1 },
      ports: ['2'],
    },
  ];
  for (const { name, hosts, failed, retry, ports } of table)
    it(`draws ${name}`, () => assert.deepEqual([...drawn(hosts, failed, retry)].toSorted(), ports));

  it('draws nothing from an empty set', () => {
    const policy = loadBalancingPolicies.get('random')!;
    const picker = policy.build([], policy.options.parse(undefined, 'options'), () => 0);
    const rules = new RetryHosts({ maxAttempts: 2, on: [], avoidHostMetadata: { canary: true } });
    assert.equal(rules.pick(picker, [], { tried: [], random: () => 0, now: 0 }), undefined);
  });
});
