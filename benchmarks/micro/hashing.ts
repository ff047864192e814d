/** Hash policies, sessions, and picks by a hash: what a route pays for keeping its clients where they are. */
import { systemRandom } from '../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import { placeHosts } from '../../src/data-plane/load-balancing/placed-hosts.ts';
import { buildRing } from '../../src/data-plane/load-balancing/ring-table.ts';
import { requestHasherOf } from '../../src/data-plane/routing/request-hash.ts';
import { sessionOf } from '../../src/data-plane/routing/session-affinity.ts';
import { encodeToken } from '../../src/data-plane/routing/session-token.ts';
import type { PickableHost, PickContext } from '../../src/model/contracts.ts';
import type { HashPolicy } from '../../src/model/affinity.ts';
import { call, type MicroRow } from './operation.ts';

const token = encodeToken({ address: '192.0.2.1:8080', expiresSeconds: 0, idleUntilSeconds: 0 });
const request = {
  method: 'GET',
  path: '/items?page=2&user=4711',
  headers: { accept: '*/*', 'x-user': 'user-4711', cookie: `theme=dark; client=0123456789abcdef; session="${token}"` },
};

function hosts(count: number): readonly PickableHost[] {
  return Array.from({ length: count }, (_, index) => ({ address: `192.0.2.1:${index}`, weight: 1, inFlight: 0 }));
}

/** Name of the row of a large ring, for its target. */
export const ringRow = 'hashed pick: ring-hash, 65536 points, 1000 hosts';

function hash(name: string, policies: readonly HashPolicy[]): MicroRow {
  return call(`hash: ${name}`, () => {
    const hasher = requestHasherOf(policies);
    return () => hasher(request, systemRandom);
  });
}

function pick(
  policyName: string,
  hostCount: number,
  name = `hashed pick: ${policyName}, ${hostCount} hosts`,
  options = {},
): MicroRow {
  return call(name, () => {
    const policy = loadBalancingPolicies.get(policyName)!;
    const picker = policy.build(hosts(hostCount), policy.options.parse(options, policyName), systemRandom);
    picker.complete!();
    const place = { high: 0, low: 0 };
    const context: PickContext = { tried: [], hash: place, random: systemRandom, now: 0 };
    return () => {
      place.high = Math.imul(place.high + 1, 0x9e3779b1) >>> 0;
      return picker.pick(context);
    };
  });
}

/** Made whole, as for the first request of a cluster. Larger ones collect the heap in every window and cannot be measured here. */
function table(name: string, build: () => Generator<void, unknown>): MicroRow {
  return call(`table: ${name}`, () => () => {
    const steps = build();
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    return step.value;
  });
}

const hundred = placeHosts(hosts(100), false);

export const rows: readonly MicroRow[] = [
  hash('a header', [{ kind: 'header', name: 'x-user' }]),
  hash('a cookie', [{ kind: 'cookie', name: 'client', ttlMs: 0 }]),
  hash('a query parameter', [{ kind: 'query', name: 'user' }]),
  hash('a header and a query parameter', [
    { kind: 'header', name: 'x-user' },
    { kind: 'query', name: 'user' },
  ]),
  call('session: by cookie', () => () => sessionOf({ kind: 'cookie', name: 'session' }, request, 0)!.address),
  ...['ring-hash', 'maglev'].flatMap((policy) => [10, 1000, 10_000].map((count) => pick(policy, count))),
  pick('ring-hash', 1000, ringRow, { minimumRingSize: 65_536 }),
  table('ring of 1024 points, 100 hosts', () => buildRing(hundred, 1024, 'xx-hash')),
];
