import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopWatch } from '../../../src/base/loop-watch.ts';

describe('LoopWatch', () => {
  it('notices nothing while no timer is expected', () => {
    const loop = new LoopWatch();
    loop.touch(0);
    loop.touch(10_000);
    assert.equal(loop.stalledMs(0, 10_000), 0);
    assert.equal(loop.stallEndMs, Number.NEGATIVE_INFINITY);
  });

  it('notices nothing while timers are less than 20 ms late', () => {
    const loop = new LoopWatch();
    loop.expect(0, 50);
    loop.touch(70);
    assert.equal(loop.stalledMs(0, 70), 0);
  });

  it('counts from the last sign of life to the moment at which a timer is seen to be late', () => {
    const loop = new LoopWatch();
    loop.expect(0, 50);
    loop.touch(30);
    loop.touch(330);
    assert.equal(loop.stalledMs(0, 330), 300);
    assert.equal(loop.stallEndMs, 330);
  });

  it('counts from the time at which the timer was due, where answers were read since but no timer ran', () => {
    const loop = new LoopWatch();
    loop.expect(0, 50);
    loop.touch(60);
    loop.touch(69);
    loop.touch(75);
    assert.equal(loop.stalledMs(0, 75), 25);
  });

  it('gives the part of a time that it shares with standing still', () => {
    const loop = new LoopWatch();
    loop.expect(0, 50);
    loop.touch(40);
    loop.expect(240, 290);
    for (const [startMs, endMs, expected] of [
      [0, 30, 0],
      [0, 240, 200],
      [0, 500, 200],
      [100, 500, 140],
      [100, 200, 100],
      [239, 240, 1],
      [240, 500, 0],
      [300, 500, 0],
    ] as const)
      assert.equal(loop.stalledMs(startMs, endMs), expected, `${startMs} … ${endMs}`);
  });

  it('counts one long turn of the event loop once, however often it is noticed', () => {
    const loop = new LoopWatch();
    loop.expect(0, 50);
    loop.touch(50);
    loop.touch(100);
    loop.touch(150);
    loop.touch(200);
    loop.expect(201, 251);
    assert.equal(loop.stalledMs(0, 201), 150);
  });

  it('adds up the times that fall into one measurement, the last sixteen of them', () => {
    const loop = new LoopWatch();
    let now = 0;
    for (let time = 0; time < 20; time++) {
      loop.expect(now, now + 50);
      now += 50;
      loop.expect(now, now + 50);
      now += 100;
    }
    loop.touch(now);
    assert.equal(loop.stalledMs(0, now), 1600);
    assert.equal(loop.stalledMs(now - 150, now), 100);
  });

  /** Stands still for `stalledMs` in each turn, after a timer that was set for 50 ms; a timer runs in each. */
  function turn(loop: LoopWatch, now: number, stalledMs: number): number {
    loop.expect(now, now + 50);
    loop.touch(now + stalledMs);
    return now + stalledMs;
  }

  it('takes nothing off for what a process does in every turn of its event loop, from the fourth on', () => {
    let turns = 0;
    const loop = new LoopWatch(() => turns++);
    let now = 0;
    for (let time = 0; time < 15; time++) now = turn(loop, now, 110);
    assert.equal(loop.stalledMs(0, now), 3 * 110);
    assert.equal(loop.stalledMs(3 * 110, now), 0);
    assert.equal(loop.stallEndMs, now, 'it did stand still');
  });

  it('takes off what is longer than the longest of three turns before', () => {
    let turns = 0;
    const loop = new LoopWatch(() => turns++);
    let now = 0;
    for (const ms of [100, 150, 120]) now = turn(loop, now, ms);
    const startMs = now;
    now = turn(loop, now, 500);
    assert.equal(loop.stalledMs(startMs, now), 500 - 150);
  });

  it('takes all off where times are a second apart', () => {
    let turns = 0;
    const loop = new LoopWatch(() => turns++);
    let now = 0;
    for (let time = 0; time < 5; time++) {
      now = turn(loop, now, 110);
      loop.expect(now, now + 50);
      now += 50;
      loop.expect(now, Number.POSITIVE_INFINITY);
      now += 400;
    }
    assert.equal(loop.stalledMs(0, now), 5 * 110);
  });

  it('takes all off where several timers take long in one turn: nothing is read between them', () => {
    const loop = new LoopWatch(() => 7);
    let now = 0;
    for (let time = 0; time < 10; time++) now = turn(loop, now, 110);
    assert.equal(loop.stalledMs(0, now), 10 * 110);
  });

  it('stops expecting anything when it is told that no timer runs', () => {
    const loop = new LoopWatch();
    loop.expect(0, 50);
    loop.expect(50, Number.POSITIVE_INFINITY);
    loop.touch(10_000);
    assert.equal(loop.stalledMs(0, 10_000), 0);
  });
});
