import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startAgent, type ConsulAgent } from './agent.ts';
import { startInstance, startWatcher } from './watcher.ts';

/** What a change may take to arrive: the promise of the how-to. */
const promptlyMs = 1000;

describe('discovery from a real Consul agent', { timeout: 120_000 }, () => {
  let agent: ConsulAgent;
  before(async () => {
    agent = await startAgent();
  });
  after(() => agent.kill());

  const passing = { TTL: '10m', Status: 'passing' };

  it('finds an instance within a second of its registration, and loses it within a second of its deregistration', async () => {
    await using watcher = startWatcher({ address: agent.address });
    await using instance = await startInstance();
    watcher.demand('fresh');
    const { reason } = await watcher.sink.until(({ absents }) => absents[0]);
    assert.match(reason, /has no service "fresh"/);

    const registeredMs = performance.now();
    await agent.register({ ID: 'fresh-1', Name: 'fresh', Address: '127.0.0.1', Port: instance.port });
    await watcher.untilPorts('fresh', [instance.port]);
    const foundAfterMs = performance.now() - registeredMs;
    assert.ok(foundAfterMs < promptlyMs, `found after ${foundAfterMs} ms`);

    const [endpoint] = watcher.sink.endpoints('fresh') ?? [];
    assert.equal(await (await fetch(`http://${endpoint?.address}:${endpoint?.port}/`)).text(), String(instance.port));

    const deregisteredMs = performance.now();
    await agent.deregister('fresh-1');
    await watcher.untilPorts('fresh', []);
    const lostAfterMs = performance.now() - deregisteredMs;
    assert.ok(lostAfterMs < promptlyMs, `lost after ${lostAfterMs} ms`);
  });

  it('follows a TTL check through passing, warning and critical, with the weight of each', async () => {
    await using watcher = startWatcher({ address: agent.address });
    await agent.register({
      ID: 'ttl-1',
      Name: 'ttl',
      Address: '127.0.0.1',
      Port: 7001,
      Weights: { Passing: 10, Warning: 3 },
      Check: passing,
    });
    await agent.register({ ID: 'ttl-2', Name: 'ttl', Address: '127.0.0.1', Port: 7002, Check: passing });
    watcher.demand('ttl');
    await watcher.untilPorts('ttl', [7001, 7002]);
    const weightOf = (port: number): number | undefined =>
      watcher.sink.endpoints('ttl')?.find((endpoint) => endpoint.port === port)?.weight;
    assert.equal(weightOf(7001), 10);
    assert.equal(weightOf(7002), 1);

    await agent.call('PUT', '/v1/agent/check/warn/service:ttl-1');
    await watcher.sink.until(() => weightOf(7001) === 3);
    const failedMs = performance.now();
    await agent.call('PUT', '/v1/agent/check/fail/service:ttl-1');
    await watcher.untilPorts('ttl', [7002]);
    assert.ok(performance.now() - failedMs < promptlyMs);
    await agent.call('PUT', '/v1/agent/check/fail/service:ttl-2');
    await watcher.untilPorts('ttl', []);
    await agent.call('PUT', '/v1/agent/check/pass/service:ttl-1');
    await watcher.untilPorts('ttl', [7001]);
    assert.equal(weightOf(7001), 10);
  });

  it('leaves out instances with a warning when only passing ones are wanted', async () => {
    await using watcher = startWatcher({ address: agent.address, onlyPassing: true });
    await agent.register({ ID: 'strict-1', Name: 'strict', Address: '127.0.0.1', Port: 7001, Check: passing });
    watcher.demand('strict');
    await watcher.untilPorts('strict', [7001]);
    await agent.call('PUT', '/v1/agent/check/warn/service:strict-1');
    await watcher.untilPorts('strict', []);
  });

  it('loses an instance whose own TTL ran out', async () => {
    await using watcher = startWatcher({ address: agent.address });
    await agent.register({
      ID: 'lapsed-1',
      Name: 'lapsed',
      Address: '127.0.0.1',
      Port: 7001,
      Check: { TTL: '1s', Status: 'passing' },
    });
    watcher.demand('lapsed');
    await watcher.untilPorts('lapsed', [7001]);
    await watcher.untilPorts('lapsed', []);
  });

  it('loses an instance that died, when its HTTP check fails', async () => {
    await using watcher = startWatcher({ address: agent.address });
    const instances = [await startInstance(), await startInstance()] as const;
    for (const { port } of instances) {
      await agent.register({
        ID: `checked-${port}`,
        Name: 'checked',
        Address: '127.0.0.1',
        Port: port,
        Check: { HTTP: `http://127.0.0.1:${port}/`, Interval: '1s', Timeout: '1s' },
      });
    }
    watcher.demand('checked');
    await watcher.untilPorts(
      'checked',
      instances.map(({ port }) => port),
    );
    await instances[0][Symbol.asyncDispose]();
    await watcher.untilPorts('checked', [instances[1].port]);
    await instances[1][Symbol.asyncDispose]();
  });

  it('takes an instance out while it is in maintenance', async () => {
    await using watcher = startWatcher({ address: agent.address });
    await agent.register({ ID: 'repaired-1', Name: 'repaired', Address: '127.0.0.1', Port: 7001 });
    await agent.register({ ID: 'repaired-2', Name: 'repaired', Address: '127.0.0.1', Port: 7002 });
    watcher.demand('repaired');
    await watcher.untilPorts('repaired', [7001, 7002]);
    await agent.call('PUT', '/v1/agent/service/maintenance/repaired-1?enable=true&reason=disk');
    await watcher.untilPorts('repaired', [7002]);
    await agent.call('PUT', '/v1/agent/service/maintenance/repaired-1?enable=false');
    await watcher.untilPorts('repaired', [7001, 7002]);
  });

  it('follows tags, from the options and from the host name', async () => {
    await using all = startWatcher({ address: agent.address });
    await using tagged = startWatcher({ address: agent.address, tags: ['blue', 'eu'] });
    await agent.register({ ID: 'tags-1', Name: 'tags', Address: '127.0.0.1', Port: 7001, Tags: ['blue', 'eu'] });
    await agent.register({ ID: 'tags-2', Name: 'tags', Address: '127.0.0.1', Port: 7002, Tags: ['blue'] });
    await agent.register({ ID: 'tags-3', Name: 'tags', Address: '127.0.0.1', Port: 7003, Tags: ['green'] });
    all.demand('tags');
    all.demand('blue.tags.service.consul');
    tagged.demand('tags');
    await all.untilPorts('tags', [7001, 7002, 7003]);
    await all.untilPorts('blue.tags.service.consul', [7001, 7002]);
    await tagged.untilPorts('tags', [7001]);
    await agent.register({ ID: 'tags-2', Name: 'tags', Address: '127.0.0.1', Port: 7002, Tags: ['blue', 'eu'] });
    await tagged.untilPorts('tags', [7001, 7002]);
    assert.deepEqual(all.sink.endpoints('tags')?.[2]?.metadata?.['tags'], ['green']);
  });

  it('brings metadata, locality, datacenter and the address of the node', async () => {
    await using watcher = startWatcher({ address: agent.address });
    await agent.register({
      ID: 'rich-1',
      Name: 'Rich',
      Port: 7001,
      Meta: { version: 'v2' },
      Tags: ['a'],
      Locality: { Region: 'eu', Zone: 'eu-a' },
    });
    watcher.demand('rich.service.dc1.consul');
    await watcher.untilPorts('rich.service.dc1.consul', [7001]);
    const resource = watcher.sink.updates.flatMap(({ set }) => set.filter(({ kind }) => kind === 'endpoints')).at(-1);
    assert.deepEqual(resource?.value, {
      name: 'rich.service.dc1.consul',
      localities: [
        {
          locality: { region: 'eu', zone: 'eu-a' },
          priority: 0,
          endpoints: [{ address: '127.0.0.1', port: 7001, weight: 1, metadata: { version: 'v2', tags: ['a'], dc: 'dc1' } }],
        },
      ],
    });
    // What an ordinary service of this version brings is known, every field of it.
    assert.deepEqual(
      watcher.sink.updates.flatMap(({ unhonoured = [] }) => unhonoured),
      [],
    );
  });

  it('says what is wrong with a datacenter that is not there', async () => {
    await using watcher = startWatcher({ address: agent.address });
    watcher.demand('rich.service.nowhere.consul');
    const { error } = await watcher.sink.until(({ statuses }) => statuses.find((status) => status.error !== undefined));
    assert.match(error ?? '', /500 "No path to datacenter".*consul catalog datacenters/);
  });

  it('asks once for a hundred concurrent first demands', async () => {
    await using watcher = startWatcher({ address: agent.address });
    await agent.register({ ID: 'popular-1', Name: 'popular', Address: '127.0.0.1', Port: 7001 });
    for (let port = 1; port <= 100; port++) watcher.demand('popular', port);
    await watcher.untilPorts('popular', [7001]);
    // The end of the one blocking query is logged before the agent answers the next thing.
    await agent.register({ ID: 'popular-2', Name: 'popular', Address: '127.0.0.1', Port: 7002 });
    await watcher.untilPorts('popular', [7001, 7002]);
    const asked = agent.log.filter((line) => line.includes('Request finished') && line.includes('/v1/health/service/popular'));
    assert.equal(asked.filter((line) => !line.includes('index=')).length, 1);
    assert.ok(asked.length <= 2, asked.join('\n'));
  });
});
