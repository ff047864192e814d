import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closedPort } from '../../support/servers.ts';
import { runPage } from './run-page.ts';

/** Pages of the ports 7001 and 7002, and the words in them that are a matter of chance. */
const pages: readonly { readonly page: string; readonly sameWords?: readonly (readonly [RegExp, string])[] }[] = [
  { page: 'split-and-rewrite-traffic' },
  { page: 'mirror-traffic' },
  { page: 'inject-faults' },
  { page: 'limit-load' },
  { page: 'hedge-requests' },
  // Which of the two endpoints it is depends on chance, and on their ports.
  { page: 'keep-a-session', sameWords: [[/^[ab](?= served)|(?<=: # )[ab](?= GET)/, 'one']] },
  { page: 'override-by-header' },
];

describe('how to shape, limit and keep requests', () => {
  for (const { page, ...options } of pages) {
    it(`is run as it stands: ${page}`, async () => {
      const ports = new Map([
        ['7001', await closedPort()],
        ['7002', await closedPort()],
      ]);
      const { outputs } = await runPage(`docs/how-to/${page}.md`, { ports, ...options });
      assert.ok(outputs.length > 1);
    });
  }
});
