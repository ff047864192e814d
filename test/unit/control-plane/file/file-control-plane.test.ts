import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock, systemRandom, type Clock } from '../../../../src/base/runtime.ts';
import { watchFiles } from '../../../../src/base/watch-file.ts';
import { fileControlPlane, type FileSettings, type MeshFileInput } from '../../../../src/control-plane/file/index.ts';
import { versionOf } from '../../../../src/control-plane/file/client.ts';
import type { ConfigUpdate } from '../../../../src/model/contracts.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';

/** A file with one service of this name. */
const withService = (name: string): string => `services: { ${name}: { dns: "h:1" } }\n`;

/** Names of the clusters that an update brings. */
function clusters(update: ConfigUpdate | undefined): string[] {
  return (update?.set ?? []).filter(({ kind }) => kind === 'cluster').map(({ name }) => name);
}

const waitMs = 5000; // for the test to fail by; a change takes about 50 ms

describe('the file control plane on a real directory', { timeout: 30_000 }, () => {
  let directory: string;
  let sink: RecordingSink;
  let stop: AbortController;
  let running: Promise<void>;
  let settings: FileSettings[];
  const path = (name: string): string => join(directory, name);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'meshfetch-'));
    sink = new RecordingSink();
    stop = new AbortController();
    settings = [];
    running = Promise.resolve();
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await rm(directory, { recursive: true, force: true });
  });

  /** Runs on a file, with its first configuration applied. */
  async function start(file: string, clock: Clock = systemClock): Promise<void> {
    const plane = fileControlPlane({ path: file, onSettings: (next) => settings.push(next) });
    running = plane.run({ sink, clock, random: systemRandom, signal: stop.signal });
    await Promise.race([running, sink.until(({ updates }) => updates.length > 0)]);
  }

  /** Resolves when the service is in force. */
  async function inForce(service: string): Promise<void> {
    const timeout = new Promise<never>((_resolve, reject) => {
      const timer = systemClock.setTimer(() => reject(new Error(`"${service}" did not come into force`)), waitMs);
      stop.signal.addEventListener('abort', () => timer.cancel());
    });
    await Promise.race([timeout, sink.until(({ updates }) => clusters(updates.at(-1)).includes(service))]);
  }

  it('guards the ports of the process where it says what may come in, and until it was read', async () => {
    const guards = (config: MeshFileInput): boolean | undefined => fileControlPlane({ config }).guardsInbound;
    assert.equal(guards({}), false);
    assert.equal(guards({ inbound: { mode: 'disabled' } }), true);

    await writeFile(path('mesh.yaml'), withService('a'));
    const plane = fileControlPlane({ path: path('mesh.yaml') });
    assert.equal(plane.guardsInbound, true);
    running = plane.run({ sink, clock: systemClock, random: systemRandom, signal: stop.signal });
    await sink.until(({ updates }) => updates.length > 0);
    assert.equal(plane.guardsInbound, false);
    await writeFile(path('mesh.yaml'), `${withService('b')}inbound: { mode: disabled }\n`);
    await inForce('b');
    assert.equal(plane.guardsInbound, true);
  });

  it('delivers the whole configuration with the hash of the file as its version', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    const [update] = sink.updates;
    assert.equal(update?.version, versionOf(withService('a')));
    assert.deepEqual(update?.replaces, ['listener', 'route-table', 'cluster', 'endpoints']);
    assert.deepEqual(clusters(update), ['a']);
    await sink.until(({ statuses }) => statuses.at(-1)?.state === 'connected');
  });

  it('rejects at the start when the file has a mistake', async () => {
    await writeFile(path('mesh.yaml'), 'service: {}');
    await assert.rejects(start(path('mesh.yaml')), {
      code: 'MESH_CONFIG_INVALID',
      message: /service \(mesh\.yaml:1:1\): unknown key/,
    });
    running = Promise.resolve();
    assert.deepEqual(sink.updates, []);
  });

  it('rejects at the start when there is no file', async () => {
    await assert.rejects(start(path('mesh.yaml')), { code: 'MESH_CONFIG_UNREADABLE' });
    running = Promise.resolve();
  });

  it('applies a file that is written in place', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    await writeFile(path('mesh.yaml'), withService('b'));
    await inForce('b');
  });

  it('applies a file that another one is renamed over, again and again', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    for (const name of ['b', 'c', 'd']) {
      await writeFile(path('.mesh.yaml.swp'), withService(name));
      await rename(path('.mesh.yaml.swp'), path('mesh.yaml'));
      await inForce(name);
    }
  });

  it('ends with the last of many quick changes', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    for (let round = 0; round < 200; round++) {
      await writeFile(path('new'), withService(`r${round}`));
      await rename(path('new'), path('mesh.yaml'));
    }
    await inForce('r199');
    assert.deepEqual(
      sink.statuses.filter(({ state }) => state !== 'connected'),
      [],
    );
  });

  it('applies a ConfigMap whose ..data link is swapped', async () => {
    await mkdir(path('..2026_01'));
    await writeFile(path('..2026_01/mesh.yaml'), withService('a'));
    await symlink('..2026_01', path('..data'));
    await symlink('..data/mesh.yaml', path('mesh.yaml'));
    await start(path('mesh.yaml'));
    for (const [folder, name] of [
      ['..2026_02', 'b'],
      ['..2026_03', 'c'],
    ] as const) {
      await mkdir(path(folder));
      await writeFile(path(`${folder}/mesh.yaml`), withService(name));
      await symlink(folder, path('..data_tmp'));
      await rename(path('..data_tmp'), path('..data'));
      await inForce(name);
    }
  });

  it('applies a change of the file that a link to another directory leads to', async () => {
    await mkdir(path('shared'));
    await mkdir(path('app'));
    await writeFile(path('shared/mesh.yaml'), withService('a'));
    await symlink('../shared/mesh.yaml', path('app/mesh.yaml'));
    await start(path('app/mesh.yaml'));
    await writeFile(path('shared/new'), withService('b'));
    await rename(path('shared/new'), path('shared/mesh.yaml'));
    await inForce('b');
  });

  it('applies a change in a directory that was replaced as a whole', async () => {
    await mkdir(path('conf'));
    await writeFile(path('conf/mesh.yaml'), withService('a'));
    await start(path('conf/mesh.yaml'));
    await mkdir(path('conf.new'));
    await writeFile(path('conf.new/mesh.yaml'), withService('b'));
    await rename(path('conf'), path('conf.old'));
    await rename(path('conf.new'), path('conf'));
    await inForce('b');
    await writeFile(path('conf/mesh.yaml'), withService('c'));
    await inForce('c');
  });

  it('keeps the last good configuration when a change has a mistake, says so once, and goes on with the next good one', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    await writeFile(path('mesh.yaml'), 'services: { b: { dns: "h:1", timeout: 5 } }');
    const failed = await sink.until(({ statuses }) => statuses.find(({ state }) => state === 'failed'));
    assert.match(
      failed.error ?? '',
      /^mesh\.yaml has a mistake:\n {2}services\.b\.timeout \(mesh\.yaml:1:30\): unknown key; .*\nThe last good configuration stays in force\.$/,
    );
    assert.deepEqual(
      failed.problems?.map(({ key, path }) => ({ key, path })),
      [{ key: { kind: 'cluster', name: 'b' }, path: 'services.b.timeout' }],
    );
    await writeFile(path('mesh.yaml'), withService('c'));
    await inForce('c');
    await sink.until(({ statuses }) => statuses.length >= 3);
    assert.deepEqual(sink.updates.map(clusters), [['a'], ['c']]);
    assert.deepEqual(
      sink.statuses.map(({ state }) => state),
      ['connected', 'failed', 'connected'],
    );
  });

  it('is connected again when a mistake is taken back, without an update', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    await writeFile(path('mesh.yaml'), 'services: [');
    await sink.until(({ statuses }) => statuses.at(-1)?.state === 'failed');
    await writeFile(path('mesh.yaml'), withService('a'));
    await sink.until(({ statuses }) => statuses.at(-1)?.state === 'connected');
    assert.equal(sink.updates.length, 1);
  });

  it('keeps the last good configuration while the file is gone', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    await unlink(path('mesh.yaml'));
    const failed = await sink.until(({ statuses }) => statuses.find(({ state }) => state === 'failed'));
    assert.match(failed.error ?? '', /there is no such file/);
    await writeFile(path('mesh.yaml'), withService('b'));
    await inForce('b');
  });

  const firstPieces = [
    { name: 'a-mistake-by-itself', text: 'services: {' },
    { name: 'a-good-file-that-lacks-the-rest', text: withService('half') },
    { name: 'nothing-as-yet', text: '' },
  ];
  for (const { name, text } of firstPieces) {
    it(`says nothing of a file that is written in two pieces: ${name}`, async () => {
      await writeFile(path('mesh.yaml'), withService('a'));
      // The rest is written while the plane waits for what it read to settle.
      let settlings = 0;
      const clock: Clock = {
        ...systemClock,
        setTimer(callback, delayMs) {
          if (delayMs !== 200) return systemClock.setTimer(callback, delayMs);
          settlings += 1;
          if (settlings > 1) return systemClock.setTimer(callback, 0);
          void writeFile(path('mesh.yaml'), withService('b')).then(callback);
          return { cancel: () => {} };
        },
      };
      await start(path('mesh.yaml'), clock);
      await writeFile(path('mesh.yaml'), text);
      await inForce('b');
      assert.deepEqual(sink.updates.map(clusters), [['a'], ['b']]);
      assert.deepEqual(
        sink.statuses.filter(({ state }) => state === 'failed'),
        [],
      );
    });
  }

  it('says nothing of a file that is written with the same content, nor of its neighbours', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    const seen = Promise.withResolvers<void>();
    const unwatch = watchFiles([path('mesh.yaml')], () => seen.resolve(), systemClock);
    await writeFile(path('neighbour.log'), 'x');
    await writeFile(path('mesh.yaml'), withService('a'));
    await seen.promise;
    unwatch();
    await writeFile(path('new'), withService('b'));
    await rename(path('new'), path('mesh.yaml'));
    await inForce('b');
    await sink.until(({ statuses }) => statuses.length >= 2);
    assert.equal(sink.updates.length, 2);
    assert.equal(sink.statuses.length, 2);
  });

  it('hands over the settings before the resources of the same configuration', async () => {
    await writeFile(path('mesh.yaml'), 'unknownHosts: refuse\ndefaults: { timeoutMs: 7, tls: { mode: simple } }\n');
    await start(path('mesh.yaml'));
    const [first] = settings;
    assert.equal(first?.unknownHosts, 'refuse');
    assert.equal(first?.hostDefaults.policy.timeoutMs, 7);
    assert.equal(first?.hostDefaults.cluster.tls, undefined, 'TLS of the mesh is not for hosts outside of it');
    await writeFile(path('mesh.yaml'), withService('b'));
    await inForce('b');
    assert.deepEqual(
      settings.map(({ unknownHosts }) => unknownHosts),
      ['refuse', undefined],
    );
  });

  it('reports what the sink refused, as a connected source', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    sink.apply = (update) => {
      sink.updates.push(update);
      return Promise.resolve({
        accepted: [],
        rejected: [{ key: { kind: 'cluster', name: 'a' }, path: 'x', reason: 'no' }],
        unhonoured: [],
      });
    };
    const plane = fileControlPlane({ path: path('mesh.yaml') });
    running = plane.run({ sink, clock: systemClock, random: systemRandom, signal: stop.signal });
    const status = await sink.until(({ statuses }) => statuses[0]);
    assert.equal(status.state, 'connected');
    assert.match(status.error ?? '', /parts of the configuration were refused, .*: x: no$/);
  });

  it('ends when the signal aborts', async () => {
    await writeFile(path('mesh.yaml'), withService('a'));
    await start(path('mesh.yaml'));
    stop.abort();
    await running;
  });
});

describe('the file control plane on an object', () => {
  const run = (config: MeshFileInput, sink: RecordingSink, signal: AbortSignal): Promise<void> =>
    fileControlPlane({ config }).run({ sink, clock: systemClock, random: systemRandom, signal });

  it('delivers once, with a version that follows the content', async () => {
    const stop = new AbortController();
    const versions: (string | undefined)[] = [];
    for (const config of [
      { services: { a: { dns: 'h:1' } } },
      { services: { a: { dns: 'h:1' } } },
      { services: { b: { dns: 'h:1' } } },
    ]) {
      const sink = new RecordingSink();
      const running = run(config, sink, stop.signal);
      await Promise.race([running, sink.until(({ statuses }) => statuses.length > 0)]);
      assert.equal(sink.updates.length, 1);
      versions.push(sink.updates[0]?.version);
    }
    assert.equal(versions[0], versions[1]);
    assert.notEqual(versions[0], versions[2]);
    stop.abort();
  });

  it('rejects for a mistake, with its path', async () => {
    const config = { services: { a: { dns: 'h:1', timeout: 1 } } } as MeshFileInput;
    await assert.rejects(run(config, new RecordingSink(), new AbortController().signal), {
      code: 'MESH_CONFIG_INVALID',
      message:
        'the configuration has a mistake:\n  services.a.timeout: unknown key; did you mean "timeoutMs"? (known here: endpoints, dns, port, hosts, subsets, routes, loadBalancing, localities, slowStart, healthChecks and 24 more)',
    });
  });
});
