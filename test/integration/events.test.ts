/** What a mesh tells of its configuration and its identities, as a subscriber hears it. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createVirtualClock } from 'meshfetch/testing';
import { request } from 'undici';
import { createMesh, type ControlPlane, type ControlPlaneContext, type ConfigUpdate, type Mesh } from 'meshfetch';
import type { EventPayloads } from '../../src/telemetry/events.ts';
import type { IdentitySink } from '../../src/model/contracts.ts';
import { svidOf, testAuthority, validity, workloadCertificate } from '../support/certificates.ts';
import { held, ordersAt } from '../support/mesh-of.ts';
import { temporaryFolder } from '../support/secured.ts';
import { startServer } from '../support/servers.ts';

/** Events that name the control plane that they are about. */
type SourceEvent = 'config:applied' | 'config:rejected' | 'identity:rotated' | 'identity:rejected';

/** A control plane that delivers once. */
function source(update: ConfigUpdate, identify?: (sink: IdentitySink) => void): ControlPlane {
  return {
    name: 'test',
    async run({ sink }) {
      await sink.apply(update);
    },
    ...(identify !== undefined && { identity: { name: 'test', run: async (sink) => identify(sink) } }),
  };
}

/** The events of this name that a mesh over `plane` tells of it until it is closed. */
async function heard<N extends SourceEvent>(name: N, plane: ControlPlane): Promise<readonly EventPayloads[N][]> {
  const events: EventPayloads[N][] = [];
  const listen = (message: unknown): void => {
    const event = message as EventPayloads[N];
    if (event.source === plane.name) events.push(event);
  };
  const { promise: isDone, resolve } = Promise.withResolvers<void>();
  const run = (context: ControlPlaneContext): Promise<void> => plane.run(context).finally(resolve);
  subscribe(`meshfetch:${name}`, listen);
  try {
    await using _mesh = await createMesh({ name: 'web', controlPlane: { ...plane, run } });
    await isDone;
  } finally {
    unsubscribe(`meshfetch:${name}`, listen);
  }
  return events;
}

const cluster = {
  kind: 'cluster',
  name: 'orders',
  value: { name: 'orders', discovery: { kind: 'static', localities: [] }, loadBalancing: { policy: 'random' } },
} as const;
const bad = { ...cluster, value: { ...cluster.value, connectTimeoutMs: -1, idleTimeoutMs: -1 } } as const;
const update = (...set: ConfigUpdate['set']): ConfigUpdate => ({ version: '7', set, remove: [] });

describe('a mesh tells', () => {
  it('what of an update is in force', async () => {
    const events = await heard('config:applied', source(update(cluster)));
    assert.deepEqual(events, [
      {
        mesh: 'web',
        source: 'test',
        version: '7',
        accepted: 1,
        resources: [{ kind: 'cluster', name: cluster.name }],
        unhonoured: [],
      },
    ]);
  });

  it('what of an update was refused, and counts it', async () => {
    const [event, ...more] = await heard('config:rejected', source(update(bad)));
    assert.deepEqual(more, []);
    assert.deepEqual(
      { ...event, problems: event?.problems.map(({ path }) => path) },
      { mesh: 'web', source: 'test', version: '7', reason: '2 mistakes', problems: ['connectTimeoutMs', 'idleTimeoutMs'] },
    );
  });

  it('what was refused of a file that is saved with a mistake, once, and each change of its control planes once', async () => {
    const file = join(await temporaryFolder(), 'mesh.yaml');
    const good = (port: number): string => `services: { orders: { endpoints: ["127.0.0.1:${port}"] } }`;
    await writeFile(file, good(7001));
    const events: { readonly name: string; readonly [key: string]: unknown }[] = [];
    const waiters = new Set<() => void>();
    const names = ['config:applied', 'config:rejected', 'control-plane:state'] as const;
    const listeners = names.map((name) => ({
      name: `meshfetch:${name}`,
      listen: (message: unknown): void => {
        events.push({ ...(message as object), name });
        for (const waiter of waiters) waiter();
      },
    }));
    for (const { name, listen } of listeners) subscribe(name, listen);
    const told = (source: string): string[] =>
      events.filter((event) => event['source'] === source).map(({ name, state }) => `${name} ${state as string}`);
    const until = (name: string, count: number): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (told('file').filter((word) => word.startsWith(name)).length === count) resolve();
        };
        waiters.add(look);
        look();
      });
    try {
      await using _mesh = await createMesh({ name: 'web', controlPlane: file });
      await writeFile(file, 'services: { orders: { endpoints: ["127.0.0.1:7001"], timeoutMs: -1 } }');
      await until('control-plane:state failed', 1);
      await writeFile(file, good(7002));
      await until('control-plane:state connected', 2);
      await writeFile(file, good(7003));
      await until('config:applied', 3);
    } finally {
      for (const { name, listen } of listeners) unsubscribe(name, listen);
    }
    assert.deepEqual(told('file'), [
      'config:applied undefined',
      'control-plane:state connected',
      'config:rejected undefined',
      'control-plane:state failed',
      'config:applied undefined',
      'control-plane:state connected',
      'config:applied undefined',
    ]);
    assert.deepEqual(told('dns'), ['config:applied undefined', 'control-plane:state connected']);
    const { version, ...refused } = events.find(({ name }) => name === 'config:rejected')!;
    assert.match(version as string, /^[0-9a-f]{12}$/);
    assert.deepEqual(refused, {
      name: 'config:rejected',
      mesh: 'web',
      source: 'file',
      reason: 'mesh.yaml has a mistake',
      problems: [
        {
          key: { kind: 'cluster', name: 'orders' },
          path: 'services.orders.timeoutMs',
          reason: 'found -1; expected a whole number of milliseconds, 0 … 2147483647',
        },
      ],
    });
  });

  it('which certificates and trust bundles are in force, until when, and never a key', async () => {
    const authority = await testAuthority();
    const issued = await workloadCertificate(authority, 'web', validity(-3_600_000, 3_600_000));
    const plane = source(update(), (sink) => {
      sink.setTrustBundle({ name: 'roots', certificates: authority.certificate });
      sink.setSvid(svidOf(issued));
      sink.remove('default');
    });
    const events = await heard('identity:rotated', plane);
    assert.ok(!JSON.stringify(events).includes('PRIVATE KEY'));
    const [roots, svid, gone] = events.map((event) => ({ ...event, expiresMs: undefined }));
    const common = { mesh: 'web', source: 'test', expiresMs: undefined };
    assert.deepEqual(roots, {
      ...common,
      name: 'roots',
      kind: 'trust-bundle',
      change: 'set',
      generation: 1,
      identity: undefined,
    });
    const identity = 'spiffe://example.org/web';
    assert.deepEqual(svid, { ...common, name: 'default', kind: 'svid', change: 'set', generation: 2, identity });
    assert.deepEqual(gone, { ...common, name: 'default', kind: 'svid', change: 'removed', generation: 3, identity: undefined });
    // The roots expire 23 hours after the certificate.
    const [rootsMs = 0, svidMs = 0] = events.map(({ expiresMs }) => expiresMs);
    assert.equal(Math.round((rootsMs - svidMs) / 3_600_000), 23);
  });

  it('which certificate was refused and why', async () => {
    const authority = await testAuthority();
    const expired = await workloadCertificate(authority, 'web', validity(-7_200_000, -3_600_000));
    const plane = source(update(), (sink) => void sink.setSvid(svidOf(expired)));
    const [event] = await heard('identity:rejected', plane);
    assert.match(event?.reason ?? '', /expired/);
    assert.deepEqual({ ...event, reason: '' }, { mesh: 'web', source: 'test', name: 'default', kind: 'svid', reason: '' });
  });

  const ownFaults: readonly { readonly name: string; readonly send: (mesh: Mesh) => Promise<unknown> }[] = [
    {
      name: 'a body that fails',
      send: (mesh) => {
        async function* body(): AsyncGenerator<string> {
          yield 'the first part';
          await new Promise((resolve) => setImmediate(resolve));
          throw new Error('the source broke');
        }
        return request('http://orders/', { dispatcher: mesh.dispatcher, method: 'POST', body: body() as never });
      },
    },
    {
      name: 'a handler that throws',
      send: (mesh) =>
        new Promise((_resolve, reject) => {
          mesh.dispatcher.dispatch(
            { origin: 'http://orders', path: '/', method: 'GET' },
            {
              onRequestStart() {},
              onResponseStart() {
                throw new Error('the handler broke');
              },
              onResponseData() {},
              onResponseEnd() {},
              onResponseError: (_controller, error) => reject(error),
            },
          );
        }),
    },
  ];
  for (const { name, send } of ownFaults) {
    it(`the end of an attempt that the program itself ended: ${name}`, async () => {
      const server = await startServer((incoming, response) => {
        incoming.resume().on('error', () => {});
        if (incoming.method === 'GET') response.end('ok');
      });
      const outcomes: string[] = [];
      const listen = (message: unknown): void => {
        outcomes.push((message as EventPayloads['attempt:end']).outcome);
      };
      subscribe('meshfetch:attempt:end', listen);
      try {
        await using mesh = await ordersAt([server.address]);
        await assert.rejects(send(mesh), /broke/);
        assert.deepEqual(outcomes, ['abandoned']);
        assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
      } finally {
        unsubscribe('meshfetch:attempt:end', listen);
      }
    });
  }

  it('that it is not ready, with the state of its control planes, when nothing good came in time', async () => {
    const clock = createVirtualClock();
    await using mesh = await createMesh({ controlPlane: source(update(bad)), clock });
    const ready = mesh.ready();
    const refused = assert.rejects(ready, { code: 'MESH_CONFIG_TIMEOUT', message: /within 5000 ms: test is / });
    await clock.advance(5000);
    await refused;
  });

  it('nothing of a source that ends with it', async () => {
    const clock = createVirtualClock();
    const told: unknown[] = [];
    const note = (event: unknown): void => void told.push(event);
    subscribe('meshfetch:control-plane:state', note);
    try {
      const mesh = await createMesh({
        clock,
        controlPlane: {
          name: 'ending',
          async run({ sink, signal }) {
            sink.status({ state: 'connected' });
            await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
            sink.status({ state: 'disconnected', error: 'The client is destroyed' });
          },
        },
      });
      await mesh.close();
      assert.doesNotMatch(JSON.stringify(told), /destroyed/);
      assert.match(JSON.stringify(told), /"ending","state":"connected"/);
    } finally {
      unsubscribe('meshfetch:control-plane:state', note);
    }
  });
});
