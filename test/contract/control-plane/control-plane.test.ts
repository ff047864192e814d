/** What every control plane owes to the store, whatever it talks to. The world around it is real: files, sockets, an HTTP server. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMeshError } from '../../../src/base/errors.ts';
import { schemes } from '../../../src/control-plane/index.ts';
import { Running } from './harness.ts';
import { surroundings } from './surroundings.ts';

/** Handles that keep the process alive. Timers are counted by the clock: libraries keep unref'd ones of their own. */
function openHandles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'Timeout' && kind !== 'Immediate') counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function isMore(now: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): boolean {
  return [...now].some(([kind, count]) => count > (before.get(kind) ?? 0));
}

async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Schemes whose control plane is not run here. */
const heldElsewhere: Readonly<Record<string, string>> = {
  istio: 'the source of xds behind an identity of its own, which unit tests and the live suite hold to a real istiod',
  spiffe: 'delivers identities and no configuration',
};

it('every control plane that a URL names is held to the contract', () => {
  assert.deepEqual(
    Object.keys(schemes)
      .filter((scheme) => !Object.hasOwn(surroundings, scheme))
      .toSorted(),
    Object.keys(heldElsewhere),
  );
});

for (const name of Object.keys(surroundings)) {
  describe(`the control plane ${name}`, { timeout: 30_000 }, () => {
    it('delivers what the world says, with a version, and nothing that the store refuses', async () => {
      await using running = await (await Running.of(name)).start();
      assert.notEqual(running.source.version, '');
      assert.deepEqual(
        running.results.flatMap(({ rejected }) => rejected),
        [],
      );
    });

    it('follows a change, and the one after it', async () => {
      await using running = await (await Running.of(name)).start();
      for (const number of [2, 3]) {
        await running.world.publish(number);
        await running.inForce(number);
      }
      assert.ok(!running.world.isInForce(running.source, 2));
    });

    it('says that it is connected once it is', async () => {
      await using running = await (await Running.of(name)).start();
      await running.until(() => running.statuses.at(-1)?.state === 'connected');
    });

    it('delivers by itself, or answers a demand that came before it ran', async () => {
      await using running = await Running.of(name);
      await running.world.publish(1);
      running.ask();
      void running.run();
      await running.inForce(1);
    });

    it('answers a demand that comes twice, and one for what it has already delivered', async () => {
      await using running = await (await Running.of(name)).start();
      running.ask();
      running.ask();
      await running.world.publish(2);
      await running.inForce(2);
      assert.deepEqual(running.absents, []);
    });

    it('says of what does not exist that it is absent, and why', async (test) => {
      await using running = await (await Running.of(name)).start();
      const { unknown } = running.world;
      if (running.plane.demand === undefined || unknown === undefined) {
        test.skip('delivers everything at once and takes no demands');
        return;
      }
      running.ask(unknown);
      await running.until(() => running.absents.length > 0);
      assert.deepEqual(running.absents[0]!.want, unknown);
      assert.notEqual(running.absents[0]!.reason, '');
      assert.ok(running.store.isAbsent(running.plane.name, unknown));
    });

    it('stops watching a demand whose signal aborts, and goes on with the others', async (test) => {
      await using running = await (await Running.of(name)).start();
      if (running.plane.demand === undefined || running.world.unknown === undefined) {
        test.skip('takes no demands');
        return;
      }
      const until = new AbortController();
      running.plane.demand(running.world.unknown, until.signal);
      until.abort();
      await running.world.publish(2);
      await running.inForce(2);
    });

    it('keeps the last good configuration while the world is bad, says so, and takes the next good one', async () => {
      await using running = await (await Running.of(name)).start();
      const before = running.statuses.length;
      await running.world.spoil();
      const isTold = (): boolean =>
        running.absents.length > 0 ||
        running.statuses.slice(before).some(({ error, problems }) => error !== undefined || (problems ?? []).length > 0);
      await running.until(isTold);
      assert.ok(running.world.isInForce(running.source, 1));
      await running.world.publish(2);
      await running.inForce(2);
      await running.until(() => running.statuses.at(-1)?.state === 'connected' && running.statuses.at(-1)?.error === undefined);
    });

    it('refuses to run with the reason, or says it and recovers, when the world is bad from the start', async () => {
      await using running = await Running.of(name);
      await running.world.spoil();
      const outcome = running.run().then(
        () => 'ended',
        (error: unknown) => error,
      );
      running.ask();
      const told = running.until(() => running.absents.length > 0 || running.statuses.some(({ error }) => error !== undefined));
      const first = await Promise.race([outcome, told.then(() => 'told')]);
      if (first !== 'told') {
        assert.ok(isMeshError(first), String(first));
        return;
      }
      await running.world.publish(1);
      running.ask();
      await running.inForce(1);
    });

    it('resolves when it is aborted, whenever that is', async () => {
      for (const moment of ['before it runs', 'at once', 'when it has delivered', 'while the world is bad'] as const) {
        await using running = await Running.of(name);
        await running.world.publish(1);
        if (moment === 'before it runs') running.abort();
        const run = running.run();
        running.ask();
        if (moment === 'when it has delivered' || moment === 'while the world is bad') await running.inForce(1);
        if (moment === 'while the world is bad') await running.world.spoil();
        running.abort();
        await run;
      }
    });

    it('leaves no timer and no handle behind', async () => {
      // The first round loads modules and opens what stays open for the process.
      for (const round of ['first', 'second'] as const) {
        const before = openHandles();
        const running = await (await Running.of(name)).start();
        await running.world.publish(2);
        await running.inForce(2);
        await running[Symbol.asyncDispose]();
        assert.equal(running.clock.waiting.size, 0);
        // Sockets and watchers need a few turns of the event loop to close.
        for (let turns = 0; turns < 1000 && isMore(openHandles(), before); turns++) await turn();
        if (round === 'second')
          assert.deepEqual(
            [...openHandles()].filter(([kind, count]) => count > (before.get(kind) ?? 0)),
            [],
          );
      }
    });

    it('says nothing more after it was aborted', async () => {
      await using running = await (await Running.of(name)).start();
      await running.end();
      const { length } = running.results;
      await running.world.publish(2);
      for (let turns = 0; turns < 20; turns++) await turn();
      assert.equal(running.results.length, length);
      assert.ok(running.world.isInForce(running.source, 1));
    });
  });
}
