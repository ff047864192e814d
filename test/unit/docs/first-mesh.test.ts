import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closedPort } from '../../support/servers.ts';
import { runPage } from './run-page.ts';

describe('the tutorial', () => {
  it('is run from its first to its last block, and loses no request when an instance is killed', async () => {
    const ports = new Map<string, number>();
    for (const port of ['7001', '7002', '7003', '7101']) ports.set(port, await closedPort());
    const { outputs } = await runPage('docs/tutorials/first-mesh.md', {
      ports,
      // A request that was under way at the kill is reset; a later one is refused.
      sameWords: [
        [/UC MESH_RESET/, 'UF MESH_CONNECT_FAILED'],
        [/\(reset,/, '(connect-failure,'],
      ],
    });
    const count = outputs.map((output) => /^(\d+) ok, (\d+) lost$/m.exec(output)).find((match) => match !== null);
    assert.ok(Number(count?.[1]) > 100, `too few requests for a test: ${count?.[0]}`);
    assert.equal(count?.[2], '0');
  });
});
