import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, systemClock } from '../../../../../src/base/runtime.ts';
import { changedHosts } from '../../../../../src/control-plane/xds/source/changed-hosts.ts';
import { Pace } from '../../../../../src/control-plane/xds/source/pace.ts';
import { sidecarListener, virtualHost } from '../../../../support/envoy-samples.ts';
import { sourceOnStore, type SourceOnStore } from '../../../../support/xds-source.ts';

const hostsOf = (words: string): readonly Uint8Array[] => Array.from(words, (letter) => Buffer.from(letter));
const textOf = (hosts: readonly Uint8Array[]): string => hosts.map(String).toSorted().join('');

const cases: readonly [name: string, was: string, now: string, changed: string, gone: string][] = [
  ['none', 'abc', 'abc', '', ''],
  ['one', 'abc', 'axc', 'x', 'b'],
  ['two', 'abcde', 'xbcye', 'xy', 'ad'],
  ['one-more', 'abc', 'abxc', 'x', ''],
  ['one-less', 'abcd', 'abd', '', 'c'],
  ['one-more-of-equal-ones', 'aa', 'aaa', 'a', ''],
  ['all', 'abc', 'xy', 'xy', 'abc'],
  ['the-first-version', '', 'ab', 'ab', ''],
  ['nothing-left', 'ab', '', '', 'ab'],
];
for (const [name, was, now, changed, gone] of cases) {
  test(`what a version changes is found: ${name}`, async () => {
    const found = await changedHosts(hostsOf(was), hostsOf(now), new Pace(systemClock));
    assert.equal(textOf(found.now), changed);
    assert.equal(textOf(found.was), gone);
    assert.equal(textOf([...found.now, ...found.same]), Array.from(now).toSorted().join(''));
  });
}

type Host = ReturnType<typeof virtualHost>;

async function versionsInto(source: SourceOnStore, versions: readonly (readonly Host[])[]): Promise<string> {
  source.ask('shop-1:80');
  await source.client.push('listener', [sidecarListener(80)]);
  await source.settled();
  let refused: unknown;
  for (const hosts of versions) refused = await source.client.push('routeConfiguration', [{ name: '80', virtual_hosts: hosts }]);
  const { unhonoured } = source.findings();
  return JSON.stringify([refused, unhonoured.map(({ path, reason }) => `${path} ${reason}`).toSorted()]);
}

test('what is said of a version does not depend on the one before', async () => {
  const random = seededRandom(7);
  const pick = (most: number): number => Math.floor(random() * most);
  let refusals = 0;
  const hostAt = (index: number): Host => {
    const odd = pick(4) === 0 ? { rate_limits: [{ stage: pick(3) }] } : {};
    const domain = pick(12) === 0 ? `SHOP-${pick(8)}` : `shop-${index}`;
    return { ...virtualHost(domain, 'shop', odd), name: pick(20) === 0 ? `shop-${pick(8)}` : `shop-${index}` };
  };
  for (let round = 0; round < 60; round++) {
    const good = Array.from({ length: 8 }, (_, index) =>
      virtualHost(`shop-${index}`, 'shop', pick(3) === 0 ? { rate_limits: [{}] } : {}),
    );
    const next = [...good];
    for (let change = pick(3); change >= 0; change--) {
      const place = pick(next.length);
      const kind = pick(4);
      if (kind === 0) next.splice(place, 1);
      else if (kind === 1) next.splice(place, 0, hostAt(8 + pick(3)));
      else if (kind === 2) next.push(...next.splice(place, 1));
      else next[place] = hostAt(place);
    }
    await using first = await sourceOnStore();
    await using second = await sourceOnStore();
    const alone = await versionsInto(first, [next]);
    const isGood = alone.startsWith('[[],');
    if (!isGood) refusals++;
    const after = await versionsInto(second, [good, next]);
    // Of a refused version what it has without effect is not told; that of the one in force is.
    if (isGood) assert.equal(after, alone, `round ${round}`);
    else assert.deepEqual((JSON.parse(after) as unknown[])[0], (JSON.parse(alone) as unknown[])[0], `round ${round}`);
  }
  assert.ok(refusals > 5 && refusals < 55, `${refusals} of 60 versions were refused`);
});
