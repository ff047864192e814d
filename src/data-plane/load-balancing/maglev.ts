import { MeshError } from '../../base/errors.ts';
import type { LoadBalancingPolicy, OptionsSchema } from '../../model/contracts.ts';
import { createHashingPicker } from './hashing-picker.ts';
import { balanceFactorField, balanceFactorOption, useHostnameField } from './hashing-options.ts';
import { buildMaglev } from './maglev-table.ts';
import { placeHosts } from './placed-hosts.ts';
import { booleanOption, numberOption, refuseUnknownOptions } from './policy-options.ts';

/** The policy's options with their defaults; {@link maglev} has a sentence on each. The defaults are Envoy's. */
export interface MaglevOptions {
  readonly tableSize: number;
  readonly useHostname: boolean;
  /** 0 = loads are not bounded. */
  readonly balanceFactorPercent: number;
}

/** Finding a free place, among places that are out of the caches where there are many; and hashing and sorting a host. */
const microsPerPlace = 0.1;
const microsPerHost = 2;

/** Envoy's bounds. */
const largestTable = 5_000_011;
const smallestTable = 2;

const options: OptionsSchema<MaglevOptions> = {
  parse(given, path) {
    refuseUnknownOptions(given, ['tableSize', 'useHostname', 'balanceFactorPercent'], path);
    const size = { min: smallestTable, max: largestTable, integer: true, fallback: 65_537 };
    const tableSize = numberOption(given, 'tableSize', path, size);
    if (!isPrime(tableSize)) {
      // The steps of a host's permutation reach every place only then.
      const what = `${path}.tableSize is ${tableSize}, which is not a prime`;
      throw new MeshError('MESH_CONFIG_INVALID', `${what}; the next one is ${nextPrime(tableSize)}`);
    }
    return {
      tableSize,
      useHostname: booleanOption(given, 'useHostname', path, false),
      balanceFactorPercent: balanceFactorOption(given, path),
    };
  },
  fields: [
    {
      name: 'tableSize',
      type: 'a prime, 2 … 5000011',
      default: '65537 (Envoy)',
      doc: 'Places of the table; a hundred for each host keep shares within a percent.',
    },
    useHostnameField,
    balanceFactorField,
  ],
};

/** A pick is one look-up. Requests without a hash go to any host by weight. */
export const maglev: LoadBalancingPolicy<MaglevOptions> = {
  name: 'maglev',
  doc: 'Requests with the same hash go to the same host (a table with even shares), the same one as through Envoy.',
  options,
  isHashing: () => true,
  build(hosts, { tableSize, useHostname, balanceFactorPercent }, random, previous) {
    const placed = placeHosts(hosts, useHostname);
    const costMicros = microsPerPlace * tableSize + microsPerHost * hosts.length;
    const plan = { placed, options: `maglev ${tableSize}`, costMicros, build: () => buildMaglev(placed, tableSize) };
    return createHashingPicker(plan, hosts, balanceFactorPercent, random, previous);
  },
};

function isPrime(number: number): boolean {
  if (number % 2 === 0) return number === 2;
  for (let divisor = 3; divisor * divisor <= number; divisor += 2) if (number % divisor === 0) return false;
  return number > 1;
}

function nextPrime(above: number): number {
  let candidate = above + 1;
  while (!isPrime(candidate)) candidate++;
  return candidate;
}
