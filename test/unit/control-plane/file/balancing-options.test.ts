/**
 * The file describes the load balancing policies in words of its own, since it may not import them. Neither can forget the other:
 * the names are the same, and the file takes a value of an option exactly where the policy does.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { loadBalancingPolicies } from '../../../../src/data-plane/load-balancing/index.ts';
import { balancingOptions, policiesOfOption } from '../../../../src/control-plane/file/schema-balancing-options.ts';
import { hashingPolicies, innermostPolicy, loadBalancing } from '../../../../src/control-plane/file/schema-load-balancing.ts';

/** Values around the bounds of the options, and of other types. */
const numbers = [
  -1, 0, 0.001, 0.5, 0.999, 1, 1.5, 2, 3, 4, 10, 11, 99, 99.9, 100, 100.5, 101, 65_537, 1_000_000, 1_000_001, 5_000_011,
  5_000_012, 8_388_608, 8_388_609, 86_400_000, 86_400_001, 4_294_967_295, 4_294_967_296,
];
const noNumbers = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 1, Number.NaN, Number.POSITIVE_INFINITY];
const words = ['', 'a', 'xx-hash', 'murmur-hash-2', 'random', 'rendezvous', 'deterministic', 'x-header', 'x header'];
const lists = [['x-header'], ['x header'], [''], [1], ['cpu_utilization'], ['named_metrics.queue'], ['named_metrics.'], ['rps']];
const values: readonly unknown[] = [...numbers, ...noNumbers, true, false, ...words, ...lists];

function isTakenByFile(options: object): boolean {
  return v.safeParse(loadBalancing, options).success;
}

function isTakenByPolicy(policy: string, options: Readonly<Record<string, unknown>>): boolean {
  try {
    loadBalancingPolicies.get(policy)!.options.parse(options, 'options');
    return true;
  } catch {
    return false;
  }
}

describe('the policies of the file', () => {
  it('are all policies that there are', () => {
    const { options } = loadBalancing.entries.policy;
    assert.deepEqual([...options].toSorted(), [...loadBalancingPolicies.keys()].toSorted());
  });

  it('have all options that they have, and no others', () => {
    for (const { name, options } of loadBalancingPolicies.values()) {
      const inFile = Object.entries(policiesOfOption).filter(([, owners]) => owners.includes(name));
      assert.deepEqual(inFile.map(([option]) => option).toSorted(), options.fields.map((field) => field.name).toSorted(), name);
    }
  });

  it('hash where the policy does', () => {
    for (const policy of loadBalancingPolicies.values()) {
      const isHashing = policy.isHashing?.(policy.options.parse(undefined, 'options')) === true;
      assert.equal(hashingPolicies.includes(innermostPolicy({ policy: policy.name })), isHashing, policy.name);
    }
  });

  it('are inside one another only where the policy takes it', () => {
    const names = [...loadBalancingPolicies.keys()];
    for (const policy of policiesOfOption.child) {
      for (const inner of names) {
        const child = { policy: inner };
        assert.equal(isTakenByFile({ policy, child }), isTakenByPolicy(policy, { child }), `${inner} in ${policy}`);
      }
    }
  });

  for (const [option, owners] of Object.entries(policiesOfOption)) {
    if (option === 'child') continue;
    for (const policy of owners) {
      it(`take a value where the policy does: ${option} of ${policy}`, () => {
        const different = values.filter(
          (value) => isTakenByFile({ policy, [option]: value }) !== isTakenByPolicy(policy, { [option]: value }),
        );
        assert.deepEqual(different, []);
      });
    }
  }

  it('say of each option whose it is', () => {
    for (const [option, schema] of Object.entries(balancingOptions)) {
      const owners = policiesOfOption[option as keyof typeof balancingOptions];
      const said = /^Only for (`[^:]*`): /.exec(v.getDescription(schema) ?? '')?.[1];
      assert.equal(said, owners.map((name) => `\`${name}\``).join(' and '), option);
    }
  });
});
