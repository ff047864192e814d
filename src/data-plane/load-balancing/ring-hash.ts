import { MeshError } from '../../base/errors.ts';
import type { LoadBalancingPolicy, OptionsSchema } from '../../model/contracts.ts';
import { createHashingPicker } from './hashing-picker.ts';
import { balanceFactorField, balanceFactorOption, useHostnameField } from './hashing-options.ts';
import { placeHosts } from './placed-hosts.ts';
import { booleanOption, numberOption, refuseUnknownOptions, wordOption } from './policy-options.ts';
import { buildRing, ringScale, type RingHashFunction } from './ring-table.ts';

/** The policy's options with their defaults; {@link ringHash} has a sentence on each. The defaults are Envoy's. */
export interface RingHashOptions {
  readonly minimumRingSize: number;
  readonly maximumRingSize: number;
  readonly hashFunction: RingHashFunction;
  readonly useHostname: boolean;
  /** 0 = loads are not bounded. */
  readonly balanceFactorPercent: number;
}

/** Hashing and sorting. */
const microsPerPoint = 0.3;

/** Envoy's bound; larger rings are a mistake. */
const largestRing = 8_388_608;

const options: OptionsSchema<RingHashOptions> = {
  parse(given, path) {
    refuseUnknownOptions(
      given,
      ['minimumRingSize', 'maximumRingSize', 'hashFunction', 'useHostname', 'balanceFactorPercent'],
      path,
    );
    const size = { min: 1, max: largestRing, integer: true };
    const parsed = {
      minimumRingSize: numberOption(given, 'minimumRingSize', path, { ...size, fallback: 1024 }),
      maximumRingSize: numberOption(given, 'maximumRingSize', path, { ...size, fallback: largestRing }),
      hashFunction: wordOption(given, 'hashFunction', path, ['xx-hash', 'murmur-hash-2']),
      useHostname: booleanOption(given, 'useHostname', path, false),
      balanceFactorPercent: balanceFactorOption(given, path),
    };
    if (parsed.minimumRingSize > parsed.maximumRingSize) {
      const what = `${path}.minimumRingSize (${parsed.minimumRingSize}) is above maximumRingSize (${parsed.maximumRingSize})`;
      throw new MeshError('MESH_CONFIG_INVALID', `${what}; lower it, or raise maximumRingSize`);
    }
    return parsed;
  },
  fields: [
    {
      name: 'minimumRingSize',
      type: '1 … 8388608',
      default: '1024 (Envoy)',
      doc: 'Points on the ring at least; more of them make shares truer to the weights.',
    },
    {
      name: 'maximumRingSize',
      type: '1 … 8388608',
      default: '8388608 (Envoy; gRPC has 4096)',
      doc: 'Points on the ring at most, however far apart the weights are.',
    },
    {
      name: 'hashFunction',
      type: "'xx-hash' | 'murmur-hash-2'",
      default: "'xx-hash' (Envoy)",
      doc: 'What places hosts on the ring.',
    },
    useHostnameField,
    balanceFactorField,
  ],
};

/** A pick is a binary search. Requests without a hash go to any host by weight. */
export const ringHash: LoadBalancingPolicy<RingHashOptions> = {
  name: 'ring-hash',
  doc: 'Requests with the same hash go to the same host (a ring of points), the same one as through Envoy.',
  options,
  isHashing: () => true,
  build(hosts, parsed, random, previous) {
    const { minimumRingSize, maximumRingSize, hashFunction, useHostname, balanceFactorPercent } = parsed;
    const placed = placeHosts(hosts, useHostname);
    const scale = ringScale(placed.weights, minimumRingSize, maximumRingSize);
    const plan = {
      placed,
      options: `ring ${minimumRingSize} ${maximumRingSize} ${hashFunction}`,
      costMicros: microsPerPoint * scale,
      build: () => buildRing(placed, scale, hashFunction),
    };
    return createHashingPicker(plan, hosts, balanceFactorPercent, random, previous);
  },
};
