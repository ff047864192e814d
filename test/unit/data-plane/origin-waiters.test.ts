import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMeshError } from 'meshfetch';
import { createVirtualClock } from 'meshfetch/testing';
import { OriginWaiters } from '../../../src/data-plane/origin-waiters.ts';

describe('those who wait for what control planes say of an origin', () => {
  const never = new AbortController().signal;
  const start = () => {
    const clock = createVirtualClock();
    const waiters = new OriginWaiters(clock);
    const answers = new Map<string, boolean>();
    const counts = { looks: 0 };
    const wait = (origin: string, signal = never): Promise<boolean> =>
      waiters.wait(
        {
          origin,
          question: 'served',
          look: () => {
            counts.looks++;
            return answers.get(origin);
          },
          describe: () => 'it is silent',
        },
        1000,
        signal,
      );
    return { clock, waiters, answers, counts, wait };
  };
  const codeOf = (error: unknown): unknown => isMeshError(error) && error.code;

  it('are no reason to look again when another one comes', async () => {
    const { counts, wait, answers, waiters } = start();
    const all = Array.from({ length: 400 }, (_, index) => wait(`http://h${index}`));
    assert.equal(counts.looks, 400);
    for (let index = 0; index < 400; index++) answers.set(`http://h${index}`, index % 2 === 0);
    waiters.settle();
    const said = await Promise.all(all);
    assert.equal(said.filter(Boolean).length, 200);
  });

  it('wait for one origin together: one look says that there is no answer yet', async () => {
    const { counts, wait, answers, waiters } = start();
    const all = Array.from({ length: 100 }, () => wait('http://orders'));
    counts.looks = 0;
    waiters.settle();
    assert.equal(counts.looks, 1);
    answers.set('http://orders', true);
    waiters.settle();
    assert.deepEqual(new Set(await Promise.all(all)), new Set([true]));
  });

  it('are at most those of 500 origins', async () => {
    const { clock, wait } = start();
    const all = Array.from({ length: 500 }, (_, index) => wait(`http://h${index}`).catch(codeOf));
    assert.equal(await wait('http://another').catch(codeOf), 'MESH_OVERFLOW');
    const known = wait('http://h7').catch(codeOf);
    await clock.advance(1000);
    assert.deepEqual(new Set(await Promise.all([...all, known])), new Set(['MESH_CONFIG_TIMEOUT']));
    const later = wait('http://another').catch(codeOf);
    await clock.advance(1000);
    assert.equal(await later, 'MESH_CONFIG_TIMEOUT', 'their place is free again');
  });

  it('leave when they are told to', async () => {
    const { wait, waiters, counts } = start();
    const abort = new AbortController();
    const left = assert.rejects(wait('http://orders', abort.signal), /gave up/);
    abort.abort(new Error('gave up'));
    await left;
    counts.looks = 0;
    waiters.settle();
    assert.equal(counts.looks, 0);
  });
});
