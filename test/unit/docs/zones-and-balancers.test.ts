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

/** `a1: 52 %` a line. */
function sharesIn(output: string): Readonly<Record<string, number>> {
  return Object.fromEntries([...output.matchAll(/^(\w+): (\d+) %$/gm)].map(([, name = '', percent]) => [name, Number(percent)]));
}

function assertShares(output: string, expected: Readonly<Record<string, number>>): void {
  const shares = sharesIn(output);
  assert.deepEqual(Object.keys(shares), Object.keys(expected), output);
  // Drawn by chance: 300 requests at 50 % are within 12 of that in all but one of ten thousand runs.
  for (const [name, percent] of Object.entries(expected)) assert.ok(Math.abs(shares[name]! - percent) <= 12, output);
}

describe('how to fail over between zones', () => {
  it('is run as it stands, with the shares that it says', async () => {
    const [, near, spilled, far, drained, zones = '', weighted] = await outputsOf('fail-over-between-zones');
    assertShares(near!, { a1: 50, a2: 50 });
    assertShares(spilled!, { a2: 70, b1: 30 });
    assertShares(far!, { b1: 100 });
    assertShares(drained!, { b1: 100 });
    const [own, other] = zones.split('---');
    assertShares(own!, { a1: 50, a2: 50 });
    assertShares(other!, { a1: 17, a2: 17, b1: 66 });
    assertShares(weighted!, { a1: 45, a2: 45, b1: 10 });
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
