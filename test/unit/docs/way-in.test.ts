import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portsFor } from './page-ports.ts';
import { runPage } from './run-page.ts';

const pages = ['authorize-requests', 'limit-inbound-load', 'serve-with-mesh-listen'];

describe('how to take requests in', () => {
  for (const page of pages) {
    it(`is run as it stands: ${page}`, async () => {
      const { outputs } = await runPage(`docs/how-to/${page}.md`, { ports: await portsFor(['7001', '7002', '7003']) });
      assert.ok(outputs.length > 1);
    });
  }
});
