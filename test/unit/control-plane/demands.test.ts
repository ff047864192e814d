import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Demands, type Activity } from '../../../src/control-plane/demands.ts';
import type { Demand } from '../../../src/model/contracts.ts';

const wanted = (host: string): Demand => ({ kind: 'authority', host, port: 80 });

/** A book of three places for each of two sources, and what of it is watched. */
function bookOf(
  activity: (host: string) => Activity = () => ({ served: 0, isBusy: false }),
  absence: (host: string) => string | undefined = () => undefined,
) {
  const watched: string[] = [];
  const demands = new Demands({
    max: 3,
    absence: (_source, want) => absence(want.kind === 'authority' ? want.host : want.name),
    forget: () => {},
    activity: (_source, want) => activity(want.kind === 'authority' ? want.host : want.name),
  });
  for (const name of ['one', 'two']) {
    demands.add(name, {
      name,
      async run() {},
      demand(want, until) {
        const text = `${name} ${want.kind === 'authority' ? want.host : want.name}`;
        watched.push(text);
        until.addEventListener('abort', () => watched.splice(watched.indexOf(text), 1));
      },
    });
  }
  return { demands, watched };
}

describe('what was asked for on demand', () => {
  it('makes room by what was asked for the longest time ago', () => {
    const { demands, watched } = bookOf();
    for (const host of ['a', 'b', 'c', 'a', 'd']) demands.ask('one', wanted(host));
    assert.deepEqual(watched, ['one a', 'one c', 'one d']);
  });

  it('stays when it served requests since the last look, although nobody asked again', () => {
    const { demands, watched } = bookOf((host) => ({ served: host === 'a' ? 7 : 0, isBusy: false }));
    for (const host of ['a', 'b', 'c', 'd']) demands.ask('one', wanted(host));
    assert.deepEqual(watched, ['one a', 'one c', 'one d']);
    demands.ask('one', wanted('e'));
    assert.deepEqual(watched, ['one a', 'one d', 'one e'], 'a had gone behind c');
    demands.ask('one', wanted('f'));
    assert.deepEqual(watched, ['one d', 'one e', 'one f'], 'nothing came to a since');
  });

  it('stays while requests are under way, all of it if need be', () => {
    const { demands, watched } = bookOf(() => ({ served: 0, isBusy: true }));
    for (const host of ['a', 'b', 'c', 'd']) demands.ask('one', wanted(host));
    assert.deepEqual(watched, ['one a', 'one b', 'one c', 'one d']);
  });

  it('has its own places for each source', () => {
    const { demands, watched } = bookOf();
    for (const host of ['a', 'b', 'c']) demands.ask('one', wanted(host));
    for (const host of ['a', 'b', 'c', 'd']) demands.ask('two', wanted(host));
    assert.deepEqual(
      watched.filter((text) => text.startsWith('one')),
      ['one a', 'one b', 'one c'],
    );
  });

  it('is neither mixed up with a cluster of the same name nor with nothing', () => {
    const { demands, watched } = bookOf();
    demands.ask('one', { kind: 'authority', host: 'a', port: 80 });
    demands.ask('one', { kind: 'cluster', name: 'a:80' });
    assert.equal(watched.length, 2);
  });

  it('is not known at a source that failed before it could say, with the error as the reason', () => {
    const { demands } = bookOf();
    demands.ask('one', wanted('a'));
    demands.markFailed('one', 'no token');
    assert.equal(demands.ask('one', wanted('a')), 'failed');
    assert.equal(demands.reason('one', wanted('a')), 'no token');
  });

  it('is absent at a source that failed after it had said so, or after it had delivered all that it has', () => {
    const { demands } = bookOf(undefined, (host) => (host === 'a' ? 'there is no a' : undefined));
    demands.markFailed('one', 'no token');
    assert.equal(demands.ask('one', wanted('a')), 'absent');
    assert.equal(demands.ask('one', wanted('b')), 'failed');
    demands.add('whole', { name: 'whole', async run() {} });
    demands.markDelivered('whole');
    demands.markFailed('whole', 'it ended');
    assert.equal(demands.ask('whole', wanted('b')), 'absent');
  });
});
