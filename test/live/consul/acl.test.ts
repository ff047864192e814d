import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startAgent, type ConsulAgent } from './agent.ts';
import { startWatcher, type Watcher } from './watcher.ts';

const managementToken = '11111111-1111-4111-8111-111111111111';

describe('a real Consul agent that denies by default', { timeout: 120_000 }, () => {
  let agent: ConsulAgent;
  let folder: string;
  before(async () => {
    agent = await startAgent({ managementToken });
    folder = await mkdtemp(join(tmpdir(), 'meshfetch-live-acl-'));
    await agent.register({ ID: 'orders-1', Name: 'orders', Address: '127.0.0.1', Port: 7001 });
    await agent.register({ ID: 'orders-2', Name: 'orders', Address: '127.0.0.1', Port: 7002 });
  });
  after(async () => {
    await agent.kill();
    await rm(folder, { recursive: true });
  });

  /** Makes a token with these rules; returns what is needed to use and to revoke it. */
  async function createToken(rules: string): Promise<{ readonly secret: string; readonly accessor: string }> {
    const { ID } = (await agent.call('PUT', '/v1/acl/policy', {
      Name: `p${Math.floor(performance.now() * 1000)}`,
      Rules: rules,
    })) as { ID: string };
    const token = (await agent.call('PUT', '/v1/acl/token', { Policies: [{ ID }] })) as { SecretID: string; AccessorID: string };
    return { secret: token.SecretID, accessor: token.AccessorID };
  }

  const untilError = (watcher: Watcher, message: RegExp) =>
    watcher.sink.until(({ statuses }) => statuses.find(({ error }) => message.test(error ?? '')));
  const readAll = 'service "orders" { policy = "read" } node_prefix "" { policy = "read" }';

  it('hides a service from who has no token, which is reported with the remedy', async () => {
    await using watcher = startWatcher({ address: agent.address });
    watcher.demand('orders');
    const { reason } = await watcher.sink.until(({ absents }) => absents[0]);
    assert.match(reason, /or hides it: its ACLs deny by default and no token is given \(tokenFile, CONSUL_HTTP_TOKEN\)/);
    await untilError(watcher, /service:read on the service and node:read/);
  });

  it('refuses an unknown token with 403, which is reported with the remedy, and answers when the token file has a good one', async () => {
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, '22222222-2222-4222-8222-222222222222');
    await using watcher = startWatcher({ address: agent.address, tokenFile });
    watcher.demand('orders');
    const { error } = await untilError(watcher, /403/);
    assert.match(error ?? '', /403 "ACL not found" to \/v1\/health\/service\/orders; check that the token exists.*service:read/);
    assert.equal(watcher.sink.absents.length, 0);
    assert.equal(watcher.sink.updates.length, 0);

    await writeFile(tokenFile, (await createToken(readAll)).secret);
    await watcher.untilPorts('orders', [7001, 7002]);
    await watcher.sink.until(({ statuses }) => statuses.at(-1)?.state === 'connected' && statuses.at(-1)?.error === undefined);
  });

  it('works with a token that may read the service and its nodes', async () => {
    await using watcher = startWatcher({ address: agent.address, token: (await createToken(readAll)).secret });
    watcher.demand('orders');
    watcher.demand('nobody');
    await watcher.untilPorts('orders', [7001, 7002]);
    await watcher.sink.until(({ absents }) => absents[0]);
  });

  it('says what a token lacks that may read the service but not its nodes', async () => {
    const { secret } = await createToken('service "orders" { policy = "read" }');
    await using watcher = startWatcher({ address: agent.address, token: secret });
    watcher.demand('orders');
    await untilError(watcher, /ACLs hide the instances of "orders" from this token.*node:read/);
    assert.equal(watcher.sink.absents.length, 0);
  });

  it('keeps the last instances when the token is revoked, and says so', async () => {
    const { secret, accessor } = await createToken(readAll);
    // Short, because a revoked token is noticed by the next query only.
    await using watcher = startWatcher({ address: agent.address, token: secret, waitMs: 1000 });
    watcher.demand('orders');
    await watcher.untilPorts('orders', [7001, 7002]);
    const response = await fetch(`${agent.address}/v1/acl/token/${accessor}`, {
      method: 'DELETE',
      headers: { 'x-consul-token': managementToken },
    });
    assert.equal(response.status, 200);
    await untilError(watcher, /403 "ACL not found"/);
    assert.equal(watcher.sink.endpoints('orders')?.length, 2);
    assert.equal(watcher.sink.updates.length, 1);
  });

  it('answers a blocking query of an unknown token with an empty list, which is why an empty answer is asked for twice', async () => {
    const response = await fetch(`${agent.address}/v1/health/service/orders?index=1&wait=1s`, {
      headers: { 'x-consul-token': '33333333-3333-4333-8333-333333333333' },
    });
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), []);
    assert.equal(response.headers.get('x-consul-query-backend'), 'streaming');
    assert.equal(response.headers.get('x-consul-knownleader'), 'false');
  });
});
