import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closedPort } from '../../support/servers.ts';
import { runPage } from './run-page.ts';

describe('how to secure with mutual TLS', () => {
  it('is run as it stands, and loses no request when the certificate is rotated', async () => {
    const { outputs } = await runPage('docs/how-to/secure-with-mtls.md', { ports: new Map([['7001', await closedPort()]]) });
    const [, ok] = /^(\d+) ok, 0 lost$/m.exec(outputs.at(-1)!)!;
    assert.ok(Number(ok) > 5, `too few requests for a test: ${ok}`);
  });
});
