import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portsFor } from './page-ports.ts';
import { runPage } from './run-page.ts';

const pages = ['use-with-express', 'use-with-fastify', 'use-with-nestjs', 'use-with-grpc'];

describe('how to use a framework', () => {
  for (const page of pages) {
    it(`is run as it stands: ${page}`, async () => {
      const { outputs } = await runPage(`docs/how-to/${page}.md`, { ports: await portsFor(['7001', '7002', '7003', '7011']) });
      assert.ok(outputs.length > 1);
      assert.doesNotMatch(outputs.join('\n'), /error TS/);
    });
  }
});
