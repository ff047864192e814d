import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { zoneKey, zoneRouting, type ZoneRouting } from '../../../../src/data-plane/cluster/zone-aware.ts';

interface Row {
  readonly name: string;
  /** Healthy hosts by zone; that of the process first. */
  readonly healthy: readonly number[];
  readonly hasLocal?: boolean;
  readonly min?: number;
  readonly routing: ZoneRouting | undefined;
}

const direct: ZoneRouting = { localPer10k: 10_000, residuals: [] };

const rows: readonly Row[] = [
  { name: 'even-zones-keep-everything', healthy: [4, 4, 4], routing: direct },
  { name: 'a-large-zone-keeps-everything', healthy: [6, 2, 1], routing: direct },
  // A third of the callers, a sixth of the hosts: half stays, but for rounding (1666 / 3333). Each of the others has 41.66 % − 33.33 % to spare.
  { name: 'a-small-zone-keeps-its-part', healthy: [2, 5, 5], routing: { localPer10k: 4998, residuals: [0, 833, 1666] } },
  { name: 'full-zones-get-nothing', healthy: [1, 3, 8], routing: { localPer10k: 2499, residuals: [0, 0, 3333] } },
  { name: 'a-zone-without-healthy-hosts', healthy: [0, 6, 6], routing: { localPer10k: 0, residuals: [0, 1667, 3334] } },
  // Callers are in three zones, hosts in two.
  { name: 'no-host-in-its-zone', healthy: [3, 9], hasLocal: false, routing: { localPer10k: 0, residuals: [0, 4167] } },
  { name: 'one-zone', healthy: [12], routing: undefined },
  { name: 'too-few-hosts', healthy: [3, 2], routing: undefined },
  { name: 'enough-hosts', healthy: [3, 3], routing: direct },
  { name: 'few-are-enough', healthy: [1, 1], min: 0, routing: direct },
  { name: 'nobody', healthy: [0, 0], min: 0, routing: undefined },
];

describe('zoneRouting', () => {
  for (const { name, healthy, hasLocal = true, min = 6, routing } of rows)
    it(name, () => assert.deepEqual(zoneRouting(healthy, hasLocal, min), routing));

  it('loads the hosts of all zones alike when the callers are spread evenly', () => {
    const zones = [2, 5, 11];
    const load = zones.map(() => 0);
    for (const own of zones.keys()) {
      const order = [own, ...zones.keys().filter((zone) => zone !== own)];
      const { localPer10k, residuals } = zoneRouting(
        order.map((zone) => zones[zone]!),
        true,
        6,
      )!;
      load[own]! += localPer10k / 10_000 / 3;
      const spare = residuals.at(-1) ?? 0;
      for (const [index, zone] of order.entries())
        if (spare > 0)
          load[zone]! += (((1 - localPer10k / 10_000) / 3) * (residuals[index]! - (residuals[index - 1] ?? 0))) / spare;
    }
    for (const [zone, hosts] of zones.entries()) assert.ok(Math.abs(load[zone]! / hosts - 1 / 18) < 1e-3, load.join(' '));
  });
});

describe('zoneKey', () => {
  const here = { region: 'eu', zone: 'eu-1', subZone: 'rack-7' };
  it('tells apart what the process says of itself alone', () => {
    assert.equal(zoneKey(here, { zone: 'eu-1' }), zoneKey({ zone: 'eu-1' }, { zone: 'eu-1' }));
    assert.equal(zoneKey(here, { region: 'eu' }), zoneKey({ region: 'eu', zone: 'eu-2' }, { region: 'eu' }));
    assert.notEqual(zoneKey(here, here), zoneKey({ zone: 'eu-1' }, here));
    assert.notEqual(zoneKey({ zone: 'a' }, here), zoneKey({ region: 'a' }, here));
  });
});
