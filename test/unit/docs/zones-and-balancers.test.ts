import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closedPort } from '../../support/servers.ts';
import { runPage } from './run-page.ts';

async function outputsOf(page: string): Promise<readonly string[]> {
  const ports = new Map([
    ['7001', await closedPort()],
    ['7002', await closedPort()],
    ['7003', await closedPort()],
  ]);
  return (await runPage(`docs/how-to/${page}.md`, { ports })).outputs;
}

/** `one: 52 %` a line. */
function sharesIn(output: string): Readonly<Record<string, number>> {
  return Object.fromEntries([...output.matchAll(/^(\w+): (\d+) %$/gm)].map(([, name = '', percent]) => [name, Number(percent)]));
}

function assertShares(output: string, expected: Readonly<Record<string, number>>): void {
  // One request in hundreds may be retried elsewhere on a busy machine.
  const shares = Object.fromEntries(Object.entries(sharesIn(output)).filter(([, percent]) => percent > 1));
  assert.deepEqual(Object.keys(shares).toSorted(), Object.keys(expected).toSorted(), output);
  // Drawn by chance: 300 requests at 50 % are within 12 of that in all but one of ten thousand runs.
  for (const [name, percent] of Object.entries(expected)) assert.ok(Math.abs(shares[name]! - percent) <= 12, output);
}

describe('how to fail over between zones', () => {
  it('is run as it stands, with the shares that it says', async () => {
    const [, near, spilled, far, drained, own, other, weighted] = await outputsOf('fail-over-between-zones');
    assertShares(near!, { one: 50, two: 50 });
    assertShares(spilled!, { two: 70, far: 30 });
    assertShares(far!, { far: 100 });
    assertShares(drained!, { far: 100 });
    assertShares(own!, { one: 50, two: 50 });
    assertShares(other!, { one: 17, two: 17, far: 66 });
    assertShares(weighted!, { one: 45, two: 45, far: 10 });
  });
});

describe('how to choose a balancer', () => {
  it('is run as it stands; who looks at load or latency leaves the slow endpoint to itself', async () => {
    const compared = (await outputsOf('choose-a-balancer'))[1]!;
    const slow = Object.fromEntries(
      [...compared.matchAll(/^([\w-]+): the slow one got (\d+) of 400/gm)].map(([, name = '', count]) => [name, Number(count)]),
    );
    for (const policy of ['least-request', 'peak-ewma', 'least-response-time'])
      assert.ok(slow[policy]! < slow['round-robin']!, compared);
  });
});
