import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PollShare } from '../../../../src/control-plane/consul/poll-share.ts';

describe('PollShare', () => {
  it('lets queries wait as configured while there are connections enough', () => {
    const share = new PollShare(2);
    share.join();
    share.join();
    assert.equal(share.waitMs(300_000), 300_000);
  });

  it('makes watches take turns of about ten seconds when there are more than connections', () => {
    const share = new PollShare(100);
    for (let watches = 0; watches < 400; watches++) share.join();
    assert.equal(share.waitMs(300_000), 2500); // 10 s × 100 ÷ 400
    for (let watches = 400; watches < 5000; watches++) share.join();
    assert.equal(share.waitMs(300_000), 1000); // never below a second
    assert.equal(share.waitMs(500), 500);
  });

  it('cuts the queries under way short once, when the connections run out', () => {
    const share = new PollShare(1);
    share.join();
    const { cut } = share;
    assert.equal(cut.aborted, false);
    share.join();
    assert.equal(cut.aborted, true);
    const next = share.cut;
    share.join();
    assert.equal(next.aborted, false);
    share.leave();
    share.leave();
    assert.equal(share.waitMs(300_000), 300_000);
  });
});
