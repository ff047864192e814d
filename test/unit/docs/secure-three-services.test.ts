import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portsFor } from './page-ports.ts';
import { runPage } from './run-page.ts';

describe('the tutorial of three services', () => {
  it('is run from its first to its last block: Express, Nest and Fastify over mutual TLS, and who is refused', async () => {
    const { outputs } = await runPage('docs/tutorials/secure-three-services.md', {
      ports: await portsFor(['7001', '7002', '7003']),
    });
    const all = outputs.join('\n');
    assert.doesNotMatch(all, /error TS/);
    assert.match(all, /^200 .*"askedBy":"spiffe:\/\/example.org\/shop".*"askedBy":"spiffe:\/\/example.org\/orders"/m);
    assert.match(all, /^refused GET \/items\/42 of spiffe:\/\/example.org\/shop: rbac_access_denied_matched_policy\[none\]$/m);
  });
});
