import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closedPort } from '../../support/servers.ts';
import { runPage } from './run-page.ts';

const pages = [
  'authorize-requests',
  'limit-inbound-load',
  'serve-with-mesh-listen',
  'use-with-express',
  'use-with-fastify',
  'use-with-nestjs',
];

describe('how to take requests in', () => {
  for (const page of pages) {
    it(`is run as it stands: ${page}`, async () => {
      const ports = new Map<string, number>();
      for (const port of ['7001', '7002', '7003']) ports.set(port, await closedPort());
      const { outputs } = await runPage(`docs/how-to/${page}.md`, { ports });
      assert.ok(outputs.length > 1);
      assert.doesNotMatch(outputs.join('\n'), /error TS/);
    });
  }
});
